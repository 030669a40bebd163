// Package differential writes at random to a provider and holds every state
// that the subscriber passes against the provider's at the same tick.
//
// The oracle is exact, as it makes the ticks itself. One connection holds the
// queue's tick lock, another opens a REPEATABLE READ transaction and tells its
// snapshot, the first writes the tick with that snapshot; the second then
// hashes all tables as of the tick. At the subscriber a trigger on the position
// hashes all tables in the worker's own transaction. For each tick that the
// worker has applied, the two hashes must be the same.
package differential
