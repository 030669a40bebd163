// Package doctor tells how PgQ stands in a database, and what is wrong there.
//
//	[ReadStatus]  how things stand: queues, consumers, tickers. `pgqadm status`
//	[Examine]     what is wrong, and what mends it. `pgqadm doctor`
//
// Both only read. They look with the rights of whoever asks: what a check may
// not see is a finding, not an error, and errors are the connection's.
//
// Checks stand in two tables, in the order in which trouble has trouble in its
// wake: who mends the first finding may be rid of those after it. serverChecks
// look at any database of a server, with queues or without, queueChecks at the
// queues. Most are one statement that selects its findings (server_sql.go,
// queue_sql.go). A check that finds nothing says so: silence does not tell
// sound from not looked at.
package doctor
