// Package pgtest gives tests real PostgreSQL servers and fresh databases.
//
// A package that wants them has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// and gets one server (and, for a subscriber, a second one) per run of its
// test program, started when the first test asks. [Database] clones a template
// database in a fifth of a second: a rolled-back transaction would be cheaper,
// but cannot test a queue, whose readers see what is committed.
//
// Tests work as the ordinary role [Role], which owns its databases and is no
// superuser: that is how the project is used. [Admin] is the way around it,
// for what an administrator does.
//
// [CompareTables] is the judge of replication tests: all columns of all rows.
// [CatalogFingerprint] shows that something changed nothing.
//
// What a test needs of the machine beyond that (psql, an extension) it asks
// for with [RequireTool]. This is the only place of the project that skips a
// test, and with REQUIRE=all in the environment it fails instead.
package pgtest
