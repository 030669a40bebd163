// Package workload writes at random, by a seed, into six tables that hold
// what replication finds hard: a foreign-key pair with cascades, a deferrable
// unique column, a text key, a composite key, and a counter with an
// append-only list that a trigger of its own changes again.
//
// [Create] makes the tables, [Run] has writers commit a number of
// transactions of every [Kind], and [HashSQL] tells the content of all tables
// as one text, equal on two servers when all columns of all rows are equal.
// Crash and differential tests share it. Writers expect to collide: a
// transaction that fails by a unique, foreign key, serialization or deadlock
// error is rolled back and counted as collided; any other error ends the run.
package workload
