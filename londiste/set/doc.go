// Package set knows a replication set as its two databases keep it: the pair of
// them, the tables and sequences registered, the state of each table, positions,
// and the right to write at a subscriber. Commands (package londiste) and the
// daemon (package replay) stand on it and know nothing of each other.
//
// A set of tables has the name of its queue. Two nodes belong to it: the
// provider's, of type root and named "root", and the subscriber's, of type
// leaf and named as the job. Both keep their registrations in
// londiste.table_info and londiste.seq_info.
//
// The states of a table, and who may change which into which, are the table in
// state.go; what they mean is told in package replay. A change of state names the
// state that it starts from ([MoveTable]), so whoever comes second does nothing.
//
// A [Fence] is a worker's right to write: every transaction of a worker holds
// its lease for share. Whoever takes the lease over raises its epoch, and waits
// for the transactions that hold it; those that come later find another epoch
// and are refused ([ErrFenced]).
//
// Everything that is dropped for a copy or for parked tables is written down in
// the transaction that drops it (londiste.pending_fkeys, skytools.pending_ddl),
// and made again from there, whoever dies between.
package set
