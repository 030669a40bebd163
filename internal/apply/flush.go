package apply

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// step is one statement of a flush.
type step struct {
	stmt   *stmt
	sql    string // instead of stmt: a statement without parameters
	table  *table // nil for the flush's own statements
	rows   []int32
	slots  []int // of the rows: the parameters
	copies bool  // sql is a COPY of them
	role   role
	want   int64 // rows to be found, or returned as fresh; -1: not looked at
	found  int64 // its answer

	misses bool  // it is rows missing here that make found another than want
	off    int64 // rows found otherwise, without those that moves explain
}

type role byte

const (
	roleChange   role = iota // changes rows
	rolePlain                // inserts and refuses a duplicate
	roleTruncate             // empties tables
	roleCheck                // checks deferred constraints
	roleControl              // savepoints
)

const savepoint = "skytools_apply"

const (
	beginFlush = "savepoint " + savepoint
	undoFlush  = "rollback to savepoint " + savepoint
	endFlush   = "release savepoint " + savepoint
	deferAll   = "set constraints all deferred"
	checkAll   = "set constraints all immediate"
)

// plan lays out a flush by sets.
func (a *Applier) plan(try attempt) []*step {
	steps := []*step{control(try.open), control(deferAll)}
	if gone := a.set.truncated(); len(gone) > 0 {
		steps = append(steps, &step{sql: truncateSQL(gone), role: roleTruncate, table: gone[0], want: -1})
	}
	var deletes, writes []*step
	for _, t := range sortByReferences(a.set.tables) {
		g := &a.net[t.in.index]
		deletes = append(a.deletes(g), deletes...)
		for _, n := range g.ordered {
			writes = append(writes, a.one(n)...)
		}
		writes = append(writes, a.writes(g, try)...)
	}
	if !try.deletes {
		deletes, writes = writes, deletes
	}
	steps = append(append(steps, deletes...), writes...)
	return append(steps, a.closing(try)...)
}

func control(sql string) *step { return &step{sql: sql, role: roleControl, want: -1} }

// closing checks the deferred constraints and releases the savepoint, unless
// the answers must be looked at before.
func (a *Applier) closing(try attempt) []*step {
	var steps []*step
	if !try.uncheck {
		steps = append(steps, &step{sql: checkAll, role: roleCheck, want: -1})
	}
	if !a.opt.StopOnConflict {
		steps = append(steps, control(endFlush))
	}
	return steps
}

func (a *Applier) deletes(g *groups) []*step {
	var steps []*step
	if len(g.gone) > 0 {
		steps = append(steps, a.remove(g.table, g.gone, int64(len(g.gone))))
	}
	if len(g.never) > 0 {
		steps = append(steps, a.remove(g.table, g.never, 0))
	}
	return steps
}

// remove deletes the rows of these delete events.
func (a *Applier) remove(t *table, rows []int32, want int64) *step {
	st := t.deleteStmt(t.in.key)
	slots := make([]int, st.params)
	for i := range slots {
		slots[i] = i
	}
	return &step{stmt: st, table: t, rows: rows, slots: slots, want: a.expect(want), misses: want > 0}
}

func (a *Applier) expect(want int64) int64 {
	if a.opt.CatchUp {
		return -1
	}
	return want
}

func (a *Applier) writes(g *groups, try attempt) []*step {
	t := g.table
	if len(g.fresh)+len(g.known) == 0 {
		return nil
	}
	s := t.in.shape
	if a.opt.CatchUp || len(g.fresh) > 0 && (try.upsert || t.upserts > 0) {
		if a.opt.CatchUp { // as it is not looked at, one statement does
			g.known = append(g.known, g.fresh...)
			slices.Sort(g.known)
			g.fresh = nil
		}
		return append(a.upsert(t, s, g.fresh, int64(len(g.fresh))), a.upsert(t, s, g.known, 0)...)
	}
	var steps []*step
	if len(g.fresh) > 0 {
		steps = append(steps, a.insert(t, s, g.fresh, try))
	}
	return append(steps, a.upsert(t, s, g.known, 0)...)
}

// insert writes rows that should not be there.
func (a *Applier) insert(t *table, s *shape, rows []int32, try attempt) *step {
	if !try.noCopy && a.copyPays(t, len(rows)) {
		return &step{sql: s.copySQL(), copies: true, table: t, rows: rows, slots: s.insert, role: rolePlain, want: -1}
	}
	return &step{stmt: s.insertStmt(), table: t, rows: rows, slots: s.all(), role: rolePlain, want: -1}
}

// upsert writes rows whether they are there or not; want is how many should
// not be.
func (a *Applier) upsert(t *table, s *shape, rows []int32, want int64) []*step {
	if len(rows) == 0 {
		return nil
	}
	mk := func(st *stmt, want int64) *step {
		return &step{stmt: st, table: t, rows: rows, slots: s.all(), want: want, misses: want == 0}
	}
	want = a.expect(want)
	if !s.merges() {
		if want < 0 {
			return []*step{mk(s.upsertStmt(), -1)}
		}
		return []*step{mk(s.countedStmt(), want)}
	}
	var steps []*step
	renumber, update, missing := s.mergeStmts()
	if renumber != nil {
		steps = append(steps, mk(renumber, -1))
	}
	if update != nil {
		steps = append(steps, mk(update, -1))
	}
	return append(steps, mk(missing, want))
}

// all lists the slots of the shape.
func (s *shape) all() []int {
	slots := make([]int, len(s.cols))
	for i := range slots {
		slots[i] = i
	}
	return slots
}

// count adds a flush that is done to the tables' counters.
func (a *Applier) count(steps []*step, try attempt) {
	for _, s := range steps {
		if s.table != nil {
			s.table.counts.Diverged += s.off
		}
	}
	for i, t := range a.set.tables {
		t.moves.slack = t.moves.left
		g := &a.net[i]
		applied := g.changes()
		if try.single {
			applied = a.set.standing(t)
		}
		applied += t.in.truncates
		t.counts.Applied += applied
		t.counts.Coalesced += t.in.events - applied
		if !try.single {
			t.counts.BySets += applied - int64(len(g.ordered))
		}
		if t.upserts > 0 {
			t.upserts--
		}
		if t.noCopy > 0 {
			t.noCopy--
		}
	}
}

// explain makes the error that the caller sees.
func (a *Applier) explain(fail *failure) error {
	e := &Error{Err: fail.err}
	s := fail.step
	e.Statement = s.sql
	if s.stmt != nil {
		e.Statement = s.stmt.sql
	}
	if s.table != nil {
		e.Table = s.table.name
	}
	if len(s.rows) == 1 {
		r := &a.set.rows[s.rows[0]]
		e.Event, e.Key = r.event, a.keyText(r)
	}
	pg, ok := errors.AsType[*pgconn.PgError](fail.err)
	if ok && e.Table == (ident.Name{}) && pg.TableName != "" {
		e.Table = ident.Name{Schema: pg.SchemaName, Name: pg.TableName}
	}
	if ok && pg.Detail != "" {
		e.Err = hint.With(fmt.Errorf("%w (%s)", fail.err, pg.Detail), "%s", hint.Of(fail.err))
	}
	return e
}
