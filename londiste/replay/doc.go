// Package replay is the daemon of a subscriber: it copies tables, applies what
// the provider's queue holds, and parks what cannot be applied.
//
//	provider                                subscriber
//	  writers                                 readers
//	     |                                       ^
//	  tables -- capture triggers                 | rows, position: one transaction
//	     |                                       |
//	  queue  -- ticks --------- batch -------- Worker
//	     ^                                       |
//	     +------- position told (ack) -----------+
//
// # The worker
//
// [Worker.Run] is the daemon. Its position is the tick up to which it has
// applied, kept at the subscriber in pgq_node.local_state. A batch is what
// the queue holds between the position and a later tick. The worker applies
// a batch in one transaction that also writes the position, so each batch is
// applied exactly once whatever dies in the middle. Afterwards, at most once
// a second, it tells the provider (skytools.ack), which holds events back
// from rotation by what it was told; a crash between leaves the provider's
// idea behind, which costs disk and nothing else.
//
// A batch that changes no table that is ok moves the position in memory and
// at the subscriber once a second: after a crash it is read again and again
// changes nothing.
//
// Two things keep a second writer out. The lease, a row at the subscriber
// with an epoch: every writing transaction holds it for share where the
// epoch is its own and stops where there is no such row. The claim, a row at
// the provider that names the database the consumer belongs to.
//
// # A table's way
//
//	state         owner    does                                             next
//	(none)        copier   given a place by the worker; saves and drops     in-copy
//	                       the table's foreign keys, registers the copy's
//	                       consumer: tick T0
//	in-copy       copier   truncates, copies, rebuilds the key: all in one  catching-up
//	                       transaction, or chunk by chunk
//	catching-up   copier   applies the table's own events from T0; at the   wanna-sync:T
//	                       first tick made after the copy's snapshot it
//	                       rebuilds indexes and constraints
//	wanna-sync:T  worker   when its position is T or later                  do-sync:P
//	do-sync:P     copier   applies up to P exactly                          ok
//	ok            worker   applies the table's events with all others
//
// While a table is in do-sync the worker applies nothing, so P is its
// position and stays it; a copier that does not get there in time is sent
// back to catching-up. A resync takes any state back to none. Every change of
// state names the state it starts from, so whoever comes second does nothing.
//
// The T0 rule: events carry full rows and are applied by key. So to replay
// every event from a tick made before the copy's snapshot gives the right
// state, although the copy has seen some of them already. Two interleavings,
// key 7, T0 = 10:
//
//	tick 10; insert 7 (a); COPY reads 7=a; update 7 (b); tick 11
//	  copied 7=a; replay: upsert 7=a, upsert 7=b: b
//	tick 10; update 7 (b); delete 7; COPY does not see 7; tick 11
//	  copied nothing; replay: upsert 7=b, delete 7: gone
//
// So it does not matter either which snapshot a chunk of the table was read in,
// and a copy that was interrupted goes on with the chunks that its ledger at
// the subscriber (skytools.copy_table, copy_chunk) does not have. Of two rows
// of a key that two snapshots brought either may stay: they differ by an event.
//
// Where a change done twice is not the change done once, which is a row without a
// key, and where events outlive their rows, which is an unlogged table that a crash
// has emptied, the copy is one stream, and events that its snapshot saw are passed
// over.
//
// Between T0 and the first tick made after the last snapshot the table mixes two
// times, and may violate any constraint but its key. Hence secondary indexes
// and constraints come back there and not before.
//
// # Parked tables
//
// A batch that is refused because of one table, time and again, is applied
// without it, and the table is parked at the tick where the batch began:
//
//	ok --(worker)--> parked --retry--> catching-up --> wanna-sync:T --> … --> ok
//	                   ^------------------'  (refused again)
//	                   '--(too old, too much, or gone)--> given up --resync--> in-copy …
//
// Parked is catching-up with a row in skytools.parked_table; while the row says
// so no copier works for the table. In this order, P being the position and
// C the batch's end:
//
//  1. provider: P is acknowledged, then the copy's consumer is registered at P.
//     The worker's own consumer has kept all after P until here.
//  2. subscriber, one transaction: the rows of the other tables, the table out
//     of ok with its place P, the position C.
//
// Dead after 1: the table is ok and the batch open; sweep takes the consumer
// away, or the next attempt finds it. Dead after 2: all is written. What 2
// loses with the subscriber's last commits is lost together, and P was never
// passed at the provider. A consumer that is missing later is registered at
// P again as long as tick P is there, for with it are all events after it.
//
// What is parked is what fails lastingly: constraints, types, triggers, a missing
// table or column, an event that cannot be read. Not what passes (connection,
// deadlock, serialization, disk full, a lock), nor a row that conflict = error
// is to stop at, nor an error that names no table of the set. Where foreign
// keys act, the tables that refer to it are parked with it, for their rows may
// need its; and foreign keys from these to tables that go on are dropped until
// all are ok, for rows may go there that the parked ones refer to. Where they
// do not act (session_replication_role) neither is needed.
//
// Coming back, a table needs no index built: it has held the state of one tick
// all the time.
//
// # A part copied anew
//
// Some rows of a table, by a condition or by their keys (skytools.resync_part):
//
//	ok --(worker, set aside at P)--> catching-up, part wanted --(copier, tick B)--> catching-up --> … --> ok
//
// Set aside is parked with a retry under way, and in the same order. The copier
// reads the part by the snapshot of a tick B of its own. One transaction of the
// subscriber applies the table's events from P to B, makes the part's rows those
// that were read, and moves the position to B. So here nothing is replayed on
// newer rows, and no index has to be away. An event that is refused is tried
// once more with the part's rows deleted before it.
//
// # When it fails
//
// The copier works inside the worker's process. Everything that it drops is
// written down in the transaction that drops it (londiste.pending_fkeys,
// skytools.pending_ddl). A restart finds the state and goes on from there:
// from in-copy a table in one stream starts anew and one in chunks with those that
// are missing, from the later states it goes on. A
// copy that fails is tried again with growing pauses and stops nobody else.
//
// A batch that cannot be applied otherwise stops the node: the error stands in
// pgq_node.local_state.cur_error and in the log with table, event, key and
// statement, and the batch is tried again with growing pauses.
//
// A position the queue does not know, or a provider that is another server
// than before, is no matter for trying again: the worker stops and says so.
package replay
