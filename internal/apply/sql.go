package apply

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/skytools-go/skytools/internal/ident"
)

// stmt is one statement text; it is prepared on a connection when it is first
// needed there.
type stmt struct {
	sql    string
	params int // each a text[]
	name   string
	on     *pgconn.PgConn // where it is prepared
	used   int64          // transaction that used it last
	listed bool           // in the applier's list
}

var stmtNumber atomic.Int64

// newStmt names the statement; names are never used twice in a process, so two
// appliers can share a connection.
func newStmt(sql string, params int) *stmt {
	return &stmt{sql: sql, params: params, name: fmt.Sprintf("skytools_apply_%d", stmtNumber.Add(1))}
}

// statements are those of one shape, made when first used.
type statements struct {
	insert  *stmt // refuses a row that is there
	upsert  *stmt
	counted *stmt // upsert that returns how many rows were not there
	// For targets that refuse an upsert, in this order:
	renumber *stmt // deletes rows whose GENERATED ALWAYS identity differs
	update   *stmt
	missing  *stmt // inserts what the update did not find
	remove   *stmt // deletes rows that have no key
}

// merges tells whether the upsert must be made of update and insert: no
// arbiter index (deferrable key, partitioned table whose key it need not be),
// or an identity column that an update may not set. A delete before the
// insert would do, but would set off ON DELETE actions of live foreign keys.
func (s *shape) merges() bool {
	return s.key.Deferrable || s.target.Partitioned || len(s.always()) > 0
}

// always lists the slots of GENERATED ALWAYS identity columns outside the key.
func (s *shape) always() []int {
	var slots []int
	for slot, c := range s.cols {
		if s.target.Columns[c].Always && !slices.Contains(s.keys, slot) {
			slots = append(slots, slot)
		}
	}
	return slots
}

func (s *shape) insertStmt() *stmt {
	if s.stmts.insert == nil {
		s.stmts.insert = newStmt(s.insertSQL(), len(s.cols))
	}
	return s.stmts.insert
}

func (s *shape) upsertStmt() *stmt {
	if s.stmts.upsert == nil {
		s.stmts.upsert = newStmt(s.upsertSQL(), len(s.cols))
	}
	return s.stmts.upsert
}

// countedStmt returns for each row whether it was not there. A row made by an
// insert has no xmax; one that the upsert updated was locked by it first.
// Counting at the server would keep every row of RETURNING in a tuplestore,
// at a quarter of the whole statement's time.
func (s *shape) countedStmt() *stmt {
	if s.stmts.counted == nil {
		s.stmts.counted = newStmt(s.upsertSQL()+" returning (t.xmax operator(pg_catalog.=) 0)", len(s.cols))
	}
	return s.stmts.counted
}

// mergeStmts gives renumber and update, either may be nil, and missing.
func (s *shape) mergeStmts() (renumber, update, missing *stmt) {
	if s.stmts.missing == nil {
		join := s.target.joinKey(s.key, s.keys)
		if always := s.always(); len(always) > 0 {
			var differs []string
			for _, slot := range always {
				differs = append(differs, "t."+s.column(slot)+" is distinct from "+s.value(slot))
			}
			s.stmts.renumber = newStmt("delete from "+s.target.only()+" as t using "+unnest(len(s.cols))+
				" where "+join+" and ("+strings.Join(differs, " or ")+")", len(s.cols))
		}
		s.stmts.missing = newStmt(s.insertSQL()+" where not exists (select from "+s.target.only()+" as t where "+join+")", len(s.cols))
	}
	return s.stmts.renumber, s.updateStmt(), s.stmts.missing
}

// updateStmt changes the rows that are there; nil where there is nothing to
// set.
func (s *shape) updateStmt() *stmt {
	if s.stmts.update == nil {
		if sets := s.assignments(s.value); sets != "" {
			s.stmts.update = newStmt("update "+s.target.only()+" as t set "+sets+" from "+unnest(len(s.cols))+
				" where "+s.target.joinKey(s.key, s.keys), len(s.cols))
		}
	}
	return s.stmts.update
}

func (s *shape) insertSQL() string {
	var cols, values []string
	for _, slot := range s.insert {
		cols = append(cols, s.column(slot))
		values = append(values, s.value(slot))
	}
	overriding := ""
	for _, slot := range s.insert {
		if s.target.Columns[s.cols[slot]].Always {
			overriding = " overriding system value"
		}
	}
	return "insert into " + s.target.Name.SQL() + " as t (" + strings.Join(cols, ", ") + ")" + overriding +
		" select " + strings.Join(values, ", ") + " from " + unnest(len(s.cols))
}

// copySQL is insertSQL for rows that come by COPY, which writes identity
// columns as told.
func (s *shape) copySQL() string {
	var cols []string
	for _, slot := range s.insert {
		cols = append(cols, s.column(slot))
	}
	return "copy " + s.target.Name.SQL() + " (" + strings.Join(cols, ", ") + ") from stdin"
}

func (s *shape) upsertSQL() string {
	var key []string
	for _, slot := range s.keys {
		key = append(key, s.column(slot))
	}
	action := "do nothing"
	if sets := s.assignments(func(slot int) string { return "excluded." + s.column(slot) }); sets != "" {
		action = "do update set " + sets
	}
	// `where true` keeps the parser from taking `on conflict` for a join's ON.
	return s.insertSQL() + " where true on conflict (" + strings.Join(key, ", ") + ") " + action
}

// assignments lists what an update of a row found by its key sets. A key
// column is set only where an equal key can look different.
func (s *shape) assignments(value func(slot int) string) string {
	var sets []string
	for _, slot := range s.insert {
		c := s.target.Columns[s.cols[slot]]
		if k := slices.Index(s.keys, slot); c.Always || k >= 0 && s.key.classes[k].identical() {
			continue
		}
		sets = append(sets, ident.Quote(c.Name)+" = "+value(slot))
	}
	return strings.Join(sets, ", ")
}

// identical tells whether equal values of the class have one text only.
func (c keyClass) identical() bool {
	switch c {
	case keyOpaque, keyPadded, keyNumeric, keyInet:
		return false
	}
	return true
}

func (s *shape) column(slot int) string { return ident.Quote(s.target.Columns[s.cols[slot]].Name) }

// value is a slot's text as a value of the column's type. Types and column
// aliases are qualified, the search path and the table's own names do not
// matter.
func (s *shape) value(slot int) string {
	return fmt.Sprintf("u.a%d::%s", slot+1, s.target.Columns[s.cols[slot]].cast)
}

// deleteStmt deletes by key; its parameters are the key's columns. An array
// of one column is looked up in the index's own order.
func (t *table) deleteStmt(key *Key) *stmt {
	if st := t.deletes[key]; st != nil {
		return st
	}
	sql := "delete from " + t.target.only() + " as t"
	if c := t.target.Columns[key.Columns[0]]; len(key.Columns) == 1 && key.collapsible() {
		sql += fmt.Sprintf(" where t.%s %s any ($1::pg_catalog.text[]::%s[])", ident.Quote(c.Name), key.equals[0], c.cast)
	} else {
		sql += " using " + unnest(len(key.Columns)) + " where " + t.target.joinKey(key, key.slots())
	}
	st := newStmt(sql, len(key.Columns))
	t.deletes[key] = st
	return st
}

// only keeps a statement from a table's inheriting children; a partitioned
// table has its rows in them.
func (t *Target) only() string {
	if t.Partitioned {
		return t.Name.SQL()
	}
	return "only " + t.Name.SQL()
}

// joinKey compares the key of t with the slots of u.
func (t *Target) joinKey(key *Key, slots []int) string {
	var on []string
	for i, c := range key.Columns {
		col := t.Columns[c]
		on = append(on, fmt.Sprintf("t.%s %s u.a%d::%s", ident.Quote(col.Name), key.equals[i], slots[i]+1, col.cast))
	}
	return strings.Join(on, " and ")
}

// unnest is the parameters as a table u(a1, a2, …).
func unnest(params int) string {
	var b, names strings.Builder
	for i := 1; i <= params; i++ {
		if i > 1 {
			b.WriteString(", ")
			names.WriteString(", ")
		}
		fmt.Fprintf(&b, "pg_catalog.unnest($%d::pg_catalog.text[])", i)
		fmt.Fprintf(&names, "a%d", i)
	}
	return "rows from (" + b.String() + ") as u(" + names.String() + ")"
}

// truncateSQL empties all the tables at once: foreign keys among them refuse
// one at a time.
func truncateSQL(tables []*table) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.target.only())
	}
	return "truncate " + strings.Join(names, ", ")
}

// removeStmt deletes as many rows as it is given, each one that is equal in
// all columns. Rows are equal when their texts are, under the session's
// settings: that holds for types without equality, tells 1.0 from 1.00, and
// NULL is NULL. Of many equal rows it is all the same which. The table is read
// once for all of them, unless an index on a NOT NULL column does; so the
// statement must not run under planSettings.
func (s *shape) removeStmt() *stmt {
	if s.stmts.remove == nil {
		var told, here, values, found []string
		for slot, c := range s.cols {
			col := s.target.Columns[c]
			value := s.value(slot)
			if col.fit != "" {
				value += "::" + col.fit
			}
			told, here = append(told, value), append(here, "t."+s.column(slot))
			if col.NotNull && col.first && col.class != keyOpaque {
				values = append(values, fmt.Sprintf(", %s as v%d", value, slot+1))
				found = append(found, fmt.Sprintf(" and t.%s operator(pg_catalog.=) d.v%d", s.column(slot), slot+1))
			}
		}
		group := "1"
		for i := range values {
			group += fmt.Sprintf(", %d", i+3)
		}
		const same = "t.ctid operator(pg_catalog.=) x.ctid and t.tableoid operator(pg_catalog.=) x.tableoid"
		s.stmts.remove = newStmt("with d as (select row("+strings.Join(told, ", ")+")::pg_catalog.text as k, pg_catalog.count(*) as n"+
			strings.Join(values, "")+" from "+unnest(len(s.cols))+" group by "+group+"), x as (select t.ctid, t.tableoid, d.n,"+
			" pg_catalog.row_number() over (partition by d.k) as r from d join "+s.target.only()+" as t on row("+
			strings.Join(here, ", ")+")::pg_catalog.text operator(pg_catalog.=) d.k"+strings.Join(found, "")+")"+
			" delete from "+s.target.only()+" as t using x where "+same+" and x.r operator(pg_catalog.<=) x.n", len(s.cols))
	}
	return s.stmts.remove
}
