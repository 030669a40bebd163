// Package plproxy keeps the clusters of a PL/Proxy database up to date: `write`
// leads to the providers, `read` to subscribers that are fresh.
//
//	providers, subscribers ◄─ looks ─ verdicts ─► clusters ─► proxy database
//	                          every second, with hysteresis   only what changed
//
// A PL/Proxy database holds functions that run elsewhere: `CLUSTER 'write'; RUN
// ON hashtext(key);` sends a call to one partition of a cluster. PL/Proxy knows
// no lag, so somebody has to take a late replica out of the list.
//
// # Clusters
//
// With one partition `read` has each fresh replica as often as its weight says,
// for RUN ON ANY. With several, RUN ON hashtext(key) and RUN ON ALL need slot
// i to lead to partition i: `read` has one chosen replica of each, and
// `read_0`, `read_1` … all of one partition by weight, for RUN ON ANY. Those whose
// number of slots may be any have modular_mapping, or PL/Proxy would want a
// power of two.
//
// # Verdicts
//
// A replica is taken out at the first look that finds it dead, late, or with a
// table that is parked or being copied. It comes back after three looks in a
// row that find it clearly within the limit, at three quarters: one at the limit
// would come and go. While only the provider is silent, the last lag known and
// the time since count, and the replica has to answer all the same.
//
// # Two forms
//
// As servers of SQL/MED, which PL/Proxy prefers, or as the three functions that
// it asks otherwise, over two tables; these have a version, which moves only where
// something has changed. Either way all clusters change in one transaction: one
// that dies before its commit changes nothing, and the next round does it. Each
// round asks what is there, so what somebody else has changed is made anew.
//
// One keeper at a time has a cluster, by an advisory lock of its session (turn.go);
// another one stands by.
//
// No connection string has a password. The callers' role could read it: the
// functions answer to whoever calls a proxy function.
//
// # Switchover
//
// Where writes lead is said by one function, [Keeper.writers]. A command that
// moves the provider's role to another node changes what it returns in the same
// transaction as it takes the old one out; everything after it follows.
package plproxy
