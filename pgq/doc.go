// Package pgq is a transactional queue inside PostgreSQL.
//
// An event is a row written by the producer's own transaction. A tick is a
// saved snapshot. A batch is what one tick's snapshot sees and the snapshot
// of the tick before does not. A consumer keeps a position, the tick up to
// which it has read. No event row is ever updated or deleted: events lie in
// N tables used in turn, and a table that nobody needs any more is emptied by
// TRUNCATE.
//
//	transactions   101 ──────┤        103 ────────────────┤
//	                    102 ───┤              104 ─┤
//	ticks                 T1                 T2               T3
//	sees                  nothing            101, 102         101 … 104
//	batches                        101, 102         103, 104
//
// # Who does what
//
//   - [Ticker] makes ticks soon after events come. Every tick is made under
//     the queue's tick lock, taken before its snapshot: each snapshot sees all
//     that the one before it saw.
//   - [Reader] finds ticks and streams the events between two of them. It keeps
//     no position: a consumer that writes elsewhere stores it there, with what
//     it wrote, and tells the queue by skytools.ack when it likes.
//   - [Maintainer] rotates tables, brings back events to be retried and thins
//     old ticks.
//
// # What always holds
//
// Each committed event is in exactly one batch, in the order of event ids,
// which for two changes of one row is the order in which they were made. A
// batch costs by its own size, also while some transaction stays open. An
// event table is emptied only when all its events are older than what the
// slowest consumer has still to read.
//
// # What is not obvious
//
// A REPEATABLE READ writer that began before a rotation fills the table that
// was the current one then. So all tables are read for every batch, by the
// index of ev_txid, and rotation looks at what is in a table, not at when it
// was in use.
//
// The event sequence moves before the event's transaction ends. A tick in
// between counts the number and does not see the event, and nothing moves
// when the transaction ends: the ticker remembers whom to look for.
//
// A position that a worker has stored but not yet told is a tick that must
// not be thinned. Readers choose among ticks that are settled in age only
// those that thinning leaves, and it leaves all that are near a consumer's
// last sign of life.
package pgq
