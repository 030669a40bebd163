// Package ticker is what makes a queue of package pgq go: ticks, and upkeep.
//
// An event is delivered once a tick that sees it has been made, and its table
// is emptied once all have read it. Neither happens by itself. A program that
// writes or reads events needs nothing of this package; one program a database,
// `pgqadm ticker` as a rule, needs all of it:
//
//	[Ticker]      looks at the queues' sequences and ticks soon after events came;
//	              moves into the queues what was to come later
//	[Maintainer]  rotates event tables, thins old ticks, warns of consumers that
//	              hold up the rotation
//	[Cluster]     has all databases of a server served
//
//	          Cluster ──── one goroutine a database
//	             |
//	   Ticker ───┴─── Maintainer
//	      |  leads?      |
//	      | ◄────────────┘
//	      |
//	   skytools.tick: lock of the queue, then snapshot, then one row of pgq.tick
//	      |
//	   NOTIFY, in a transaction after it: who is woken finds the tick
//
// # What always holds
//
// Every tick is made under the queue's tick lock, taken before its snapshot:
// each snapshot sees all that the one before it saw. So any number of tickers
// are safe; that one leads and the others stand by spares work, and makes the
// next one start within two seconds (leader.go).
//
// The event sequence moves before the event's transaction ends. A tick in
// between counts the number and does not see the event, and nothing moves
// when the transaction ends: the ticker remembers whom to look for (late.go).
//
// An event table is emptied only when all its events are older than what the
// slowest consumer has still to read, looked at under the exclusive lock; the
// two steps of a rotation are transactions of their own.
//
// # When something fails
//
// A queue that cannot be ticked, because somebody keeps its lock or its ticks
// are of another server, is named in the log and does not hold up the others.
// A lost connection is made again. A database that cannot be ticked ([NotReady])
// is waited for. What was told is told again every minute while it stays.
package ticker
