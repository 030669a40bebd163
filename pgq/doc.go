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
// # Writing
//
// A [Producer] writes into one queue, in its caller's transaction, so that an
// event and the rows that it tells of are committed together or not at all:
//
//	orders := &pgq.Producer{Queue: "orders"}
//	tx, err := conn.Begin(ctx)
//	…
//	_, err = tx.Exec(ctx, `insert into purchase …`)
//	id, err := orders.Insert(ctx, tx, pgq.Event{Type: "bought", Data: data})
//	…
//	err = tx.Commit(ctx)
//
// Many events go by one statement: [Producer.InsertMany], or
// [Producer.InsertSeq] where they are too many to hold. [Producer.InsertAt]
// writes for later, [Producer.InsertOnce] once for a key.
//
// # Reading
//
// A [Consumer] has a name on the queue and gets every event written since it
// was registered, by batches:
//
//	billing := &pgq.Consumer{Database: config, Queue: "orders", Name: "billing", Register: true}
//	err := billing.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
//		for ev, err := range batch.Events(ctx) {
//			if err != nil {
//				return err
//			}
//			if err := bill(ctx, ev.Data); err != nil {
//				return err
//			}
//		}
//		return nil
//	})
//
// Nil ends the batch, an error has it delivered again. An event that cannot be
// done now is asked for again by itself ([Batch.Retry]), one that never can be
// is put aside ([Batch.Dead]); [DeadEvents] lists those, [ReplayDead] sends them
// again.
//
// Run goes on through lost connections and restarts of the server. Closing
// [Consumer.Stop] lets the batch in hand be finished; the end of the context
// breaks it off.
//
// # Exactly once
//
// A process that dies after its handler and before the end of the batch gets
// the batch again. Where that must not show, [Consumer.RunTx] keeps the position
// in the database to which the handler writes, in the same transaction:
//
//	err := billing.RunTx(ctx, pool, func(ctx context.Context, tx pgx.Tx, batch *pgq.Batch) error {
//		for ev, err := range batch.Events(ctx) {
//			…
//			_, err = tx.Exec(ctx, `insert into invoice …`)
//		}
//		return nil
//	})
//
//	dies before the target's commit   nothing of the batch is there: done again
//	dies between the two commits      the position is past the batch: its end is
//	                                  told to the queue, with what was asked for
//	                                  single events; the handler is not called
//	dies after the queue's commit     the next batch comes
//
// # Sharing the work
//
// Processes that name themselves by [Consumer.Member] share one consumer's
// batches. When one is silent for [Consumer.DeadAfter] another gets its batch.
// [Consumer.RunTx] writes such a batch once, even while both work on it.
//
// # Through pgbouncer
//
// Producers and consumers keep nothing in the session, so they may go through a
// pooler in transaction mode; pgx must not prepare statements there
// (default_query_exec_mode=exec), which a consumer sees to by itself. Consumers
// then look for ticks every 100 ms, since no notification reaches them.
//
// # Rights
//
// The database's roles pgq_writer and pgq_reader are what producers and
// consumers need. A role that is to have one queue only is given it by
//
//	select skytools.grant_queue('orders', 'shop', 'write');   -- or 'read'
//
// and then uses this package as any other, but for [Producer.InsertTimed].
//
// # Administration and errors
//
// [CreateQueue], [SetConfig], [Register], [RegisterAt] and their opposites change,
// [Queues], [ReadQueue] and [Consumers] tell how things stand. Errors that a
// program can act on have names, see [ErrQueueNotFound] and its neighbours.
//
// # Who does what
//
//   - [Producer] and [Consumer] are what programs have of all this.
//   - [Reader] finds ticks and streams the events between two of them. It keeps
//     no position: a consumer that writes elsewhere stores it there, with what
//     it wrote, and tells the queue by skytools.ack when it likes.
//   - Package ticker makes the ticks, rotates tables, brings back events to be
//     retried and thins old ticks. One program a database does all that, as a
//     rule `pgqadm ticker`; package doctor tells how it stands there.
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
// A position that a worker has stored but not yet told is a tick that must
// not be thinned. Readers choose among ticks that are settled in age only
// those that thinning leaves, and it leaves all that are near a consumer's
// last sign of life.
package pgq
