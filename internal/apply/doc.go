// Package apply writes captured events into a subscriber's tables by sets,
// inside one transaction that the caller begins and commits.
//
// An event carries a full row as text (JSON or url-encoded) and is applied by
// key, so of many events of one key only the last matters:
//
//	events in order      set, at most 10,000 events          subscriber
//	I 1 a  ─┐
//	U 1 b   ├─ decode ─▶ last state of each key ─ flush ─▶   truncate
//	D 2     │            key 1: b   (first told: absent)     delete … = any($1)
//	U 3 c  ─┘            key 2: gone                         copy …
//	                     (the next set is taken meanwhile)   insert … unnest($1, …) on conflict …
//
// Decoding takes the row apart without handing it to the server: each column
// is a run of bytes in one buffer. A flush sends many new rows by COPY, of all
// others every column as one text[] parameter that it casts there, so
// PostgreSQL's own input functions decide what a text means. Many rows that are
// there go by UPDATE instead of the upsert. Casts carry no type modifier,
// because an explicit cast cuts a long value silently where the assignment that
// follows refuses it; for the same reason a domain's column is cast to the base
// type.
//
// What a flush promises: after it the rows it touched are as if its events
// had been applied one by one. Tables are ordered by their foreign keys,
// deletes children first, then inserts and upserts parents first. All runs in
// one savepoint that checks deferred constraints before its release. If the
// server refuses, the savepoint is rolled back and the flush is done again in
// a form that can pass (see attempt), in the end row by row in event order;
// what is refused then is the caller's [*Error], naming table, event, key and
// statement.
//
// Only keys whose equality can be told from their text are collapsed (see
// keyClass). A table with another kind of key has its events applied one by
// one in event order.
//
// A key's first event in a flush tells whether its row was there. Where the
// subscriber knows better the row has been changed behind our back: it is
// brought to the provider's state and counted as diverged, or stops the apply
// when [Options].StopOnConflict is set.
package apply
