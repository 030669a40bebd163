// Package pgq is a transactional queue inside PostgreSQL.
//
// An event is a row written by the producer's own transaction. A tick is a
// saved snapshot. A batch is what one tick's snapshot sees and the snapshot
// of the tick before does not. A consumer keeps a position, the tick up to
// which it has read. No event row is ever updated or deleted: events lie in
// N tables used in turn, and a table that nobody needs any more is emptied by
// TRUNCATE.
package pgq
