// Package router sends an application's writes to the provider and its reads to
// replicas that are fresh enough, and to the provider where none is.
//
//	Write ─────────────────────────► root ◄──┐ how far is the queue?
//	Read(Within, After) ─┬─ fresh ──► replica 1 ◄──┤ where does it stand?
//	                     │            replica 2 ◄──┘
//	                     └─ none is ─► root
//
// [Router.Run] keeps one session at the root and one at each replica, beside the
// pools, and looks ten times a second. [Router.Read] asks no database: it
// chooses by what was found, at random by weight.
//
// # How old a replica's rows are
//
// A replica stands at a tick of the queue: it has what the tick's snapshot sees,
// and nothing else. A look at the root takes a snapshot too, and everything that
// was committed before the look began is seen by it. So a replica whose tick
// covers the look's snapshot has everything as of the moment at which the look
// began, by this program's own clock; no two clocks are compared. Where other
// transactions have moved the snapshot on, the event sequence tells whether they
// wrote into the queue: it does not move, and no transaction that was open at
// the tick has ended since.
//
// The age of a replica's rows is the time since the last look of which that is
// true. It goes on growing while the root is silent: reads go on until the age
// asked for is passed. A look is up to a tick and [Config.Every] old, so an age
// below both is seldom found.
//
// A replica with a table that is parked, or is being copied, is not fresh: its
// rows are older than its tick says. Nor is one that does not answer, or whose
// tick the root's queue does not have with that time: it belongs elsewhere.
//
// # Reading one's own writes
//
// A [Token] is the id of a transaction and the run of the server that gave it. A
// replica has the transaction's rows when the snapshot of the tick at which it
// stands sees that id. The number of a tick would not do: a tick's snapshot may be
// taken before a commit and its row be written after it, with a greater number.
//
// An id means something in one history of one server only. After a restore or
// a failover that lost transactions the same id is given again, to others. The
// token therefore has the start of the server and the database's oid in it:
// a server that goes on with other transactions than before has been started
// anew for it. What was written before the restart is then not known to be
// anywhere, and is read at the root: too careful after a plain restart, for as
// long as the tokens from before are kept.
//
// A token is served by a replica only on that proof, also while the root is
// silent: never because its lag seems small.
//
// # What fails
//
// A replica that dies between two looks is still handed out for that time, one
// that hangs for a second; the application's query fails there, by its deadline,
// and belongs to the root then. Where the root is dead and no replica is fresh,
// the root's pool is handed out and its error is the application's.
package router
