// Package diagnosis tells what is wrong with a pair of databases, or would be
// once tables are replicated between them: `londiste INI doctor`.
//
//	[Examine]  what is wrong, why it matters, what mends it
//	[Managed]  what the two servers let their roles do, and the grants for the rest
//	[Whole]    either of them for all subscribers of a provider
//
// Both only read, and look at what is there: two bare databases, one side
// installed, a pair at work, a dead server. What stands on one side is looked
// at there though the other is away.
//
// Checks are rows of one table (checks.go): where a check looks, what it
// needs to be there, its statement or function. A server and its queues are
// looked at by package doctor. What [londiste.Status] has found is not found
// again: a check takes its problems of one kind.
//
// Tables are those that are registered at either side; before any is, all of
// the provider; or those that are named.
package diagnosis
