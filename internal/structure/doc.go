// Package structure tells what a table is, makes the same one elsewhere, and
// mends one that has come to differ. It knows no queue and moves no rows.
//
// [Read] takes a table apart into parts: the schema it lies in, the types and
// collations and sequences it needs, the table itself, its columns,
// constraints, indexes, policies and statistics, with its partitions' own. A
// [Part] has facts, named values in which it can differ from the same part of
// another server. [Compare] goes through the parts of both ends and finds
// [Difference]s, each in words and as the statements that mend it. A table
// that is to be made is one whose parts are all missing, so making and mending
// are one thing.
//
//	provider             subscriber
//	  Read                  |
//	   | parts ---names--> ReadTarget: its parts, its version,
//	   |                    | what the parts need and it lacks
//	   +------ Compare -----+
//	              |
//	         differences -> Statements, in an order that works
//
// All definitions come from the server's own pg_get_… functions and
// format_type, under one pinned set of settings: with search_path = pg_catalog
// they name the schema of everything else, so that they mean the same
// wherever they run, and equal things are equal texts.
//
// # Order
//
// Each statement has a stage, and they run by stage: what refers to something
// is dropped before it and made after it. Within a stage parents come before
// partitions and heirs.
//
// # What cannot be mended
//
// A difference without statements says so in its words: a table that is
// partitioned at one end only, a label that an enum has too many, a feature
// that the older server does not have, a role or a function that is not there.
// When the statements of all others have been run, the next comparison finds
// those and nothing else; a test holds that against random tables.
//
// # What is left out
//
// Rules rewrite what is written: the provider's rows show what they did, and at
// the subscriber they would act on what brings these rows. None is made, and
// those that are there are told. Tablespaces, privileges of the owner itself,
// the order of columns, and whether a trigger fires on one partition otherwise
// than on its parent are neither made nor compared.
package structure
