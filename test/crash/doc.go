// Package crash kills the programs and the servers where it hurts, and finds
// nothing lost, nothing doubled, nothing left behind.
//
// Every failpoint is a place on either side of a commit. A test starts the
// real programs against real servers under load, with one point armed to
// SIGKILL, waits for the death, starts the program again and compares. Other
// tests stop a server (`immediate`) instead. The tables are counters changed
// by increments and append-only lists, so that a change applied twice or not
// at all shows; and the count of events that the subscriber has taken must be
// exactly the number that the queue holds.
package crash
