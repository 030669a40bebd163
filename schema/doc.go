// Package schema holds all SQL of the project and installs it.
//
// Six schemas are made in every database, provider or subscriber, because a
// node may change its role later: pgq (the queue), pgq_node (nodes of a set),
// pgq_coop (consumers with several members), pgq_ext (what a consumer has
// done, in the database it writes to), londiste (registered tables and
// sequences) and skytools (whatever upstream does not have). Each is a
// directory here:
//
//	NAME/tables/NNN_what.sql   structure: numbered, applied once, never edited
//	NAME/functions/name.sql    one function name with all its overloads, replaced
//	NAME/grants.sql            who may do what, run again after every change
//
// [Install] brings a database to this program's state in one transaction:
//
//  1. It takes an advisory lock, so that two installs go one after the other.
//  2. It looks, and refuses what it must not touch: Skytools 2.1's tables,
//     schemas that somebody else made, a newer version of itself. Components
//     that a real extension holds are left out from here on, and so are foreign
//     keys to their tables.
//  3. It makes missing roles, if it may, then goes on as the role that owns
//     the schemas, or makes them.
//  4. It runs each structure file that skytools.migration does not list. A
//     listed file whose text has changed since is an error: the database and
//     the program would no longer mean the same by that number.
//  5. It replaces each function file whose text differs from what
//     skytools.routine remembers, and drops the functions of files, or
//     overloads, that are gone. Functions are not part of migrations: the
//     truth about one is its file.
//  6. It runs the grants if anything changed, roles included.
//
// A second run finds nothing to do and runs no DDL. [Print] writes the same
// steps as plain SQL for who wants to read first or has no Go program at hand;
// that text may be run again, too.
//
// [WriteExtension] writes them once more, as an extension that is created
// without a superuser; Install finds such a database in order, or refuses to
// change what is the extension's.
//
// [FromExtension] and [ToExtension] move a database between the real extension
// and this schema while it is in use, see docs/moving.md.
//
// The SQL of a step is built in one place, steps.go, for both.
package schema
