// Package londiste administers replication: it installs nodes, registers tables
// and sequences, tells how they stand, compares them, repairs them. The daemon
// that moves their rows is package replay; the two meet in the databases only,
// by what package set reads and writes there.
//
//	          londiste                      replay
//	Provider, Subscriber: a command     Worker: a daemon
//	             |                             |
//	             +------------ set ------------+
//	               tables, states, positions
//
// A command opens the sessions it needs, does its work in one transaction a
// side and ends. Two commands on a queue never see each other half done: each
// takes the set-up lock of the queue, an advisory lock, at the side it changes.
// Where both sides change, the provider is first: what a command that dies
// between leaves there is a consumer or a node that the next try finds.
//
// Nothing here writes rows of replicated tables, but [Subscriber.Repair]'s way:
// it has the provider say a row again, through the queue, so that every node
// gets it in its place among all others.
//
// # One moment at two databases
//
// [Subscriber.Compare] needs both databases as of one tick, while both go on.
// It sets a barrier in the queue at a new tick, which no batch merges past.
// The worker that comes to it exports a snapshot of the subscriber, and goes
// on; the provider's rows are read under the tick's own snapshot. Who does not
// come in time, or went past, is asked again at another tick.
package londiste
