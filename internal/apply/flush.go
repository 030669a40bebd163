package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// flusher brings sets to the server, in the transaction that begin gives it.
type flusher struct {
	opt  Options
	enc  []byte // parameters of the statement being sent
	wire []byte // lent to the driver, see reserve

	tx        pgx.Tx
	conn      *pgconn.PgConn
	number    int64    // of the transaction
	set       *set     // being flushed
	net       []groups // of it
	flushes   int64
	role      string // session_replication_role; "" while not asked
	pin       *stmt  // sets planSettings
	unpin     *stmt  // sets them back to what the connection had
	deferred  bool   // a constraint is violated until later events of the transaction
	stmts     []*stmt
	met       *pgconn.PgConn // whose unpin and roundTrip are known
	roundTrip time.Duration
}

// begin starts a transaction.
func (f *flusher) begin(ctx context.Context, tx pgx.Tx, number int64) error {
	f.tx, f.conn, f.number = tx, tx.Conn().PgConn(), number
	f.flushes, f.deferred, f.role = 0, false, ""
	if err := f.meet(ctx, f.conn); err != nil {
		return err
	}
	return f.forgetStatements(ctx)
}

// step is one statement of a flush.
type step struct {
	stmt   *stmt
	sql    string // instead of stmt: a statement without parameters
	table  *table // nil for the flush's own statements
	rows   []int32
	slots  []int // of the rows: the parameters
	copies bool  // sql is a COPY of them
	exact  bool  // each of the rows must be found
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
func (f *flusher) plan(try attempt) []*step {
	steps := []*step{control(try.open), control(deferAll)}
	if gone := f.set.truncated(); len(gone) > 0 {
		steps = append(steps, &step{sql: truncateSQL(gone), role: roleTruncate, table: gone[0], want: -1})
	}
	var scans, deletes, writes []*step
	for _, t := range sortByReferences(f.set.tables) {
		g := &f.net[f.set.in(t).index]
		if f.set.whole(t) { // nothing refers to it
			scans = append(scans, f.deletes(g)...)
		} else {
			deletes = append(f.deletes(g), deletes...)
		}
		var ordered []*step
		for _, n := range g.ordered {
			ordered = append(ordered, f.one(n)...)
		}
		writes = append(writes, f.byIndex(ordered)...)
		rows := f.writes(g, try)
		if s := f.set.in(t).shape; s != nil && s.merges() {
			rows = f.byIndex(rows)
		}
		writes = append(writes, rows...)
	}
	deletes = f.byIndex(deletes)
	if !try.deletes {
		deletes, writes = writes, deletes
	}
	steps = slices.Concat(steps, scans, deletes, writes)
	return append(steps, f.closing(try, f.holds(steps))...)
}

// holds tells whether the savepoint outlives the steps, because their answers
// are to be looked at before.
func (f *flusher) holds(steps []*step) bool {
	return f.opt.StopOnConflict || slices.ContainsFunc(steps, func(s *step) bool {
		return s.exact || s.table != nil && s.want > 0 && f.set.whole(s.table)
	})
}

// The planner knows neither how many rows a flush has nor that the table grows
// by it: for a flush of many deletes it would read the whole table, and a plan
// made while the table was small would stay. So statements that look for rows
// run under settings that leave the key's index only, and triggers that other
// statements fire do not.
var planSettings = []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "plan_cache_mode"}

// settingsStmt makes a statement that sets planSettings for the transaction.
func settingsStmt(values []string) *stmt {
	var calls []string
	for i, name := range planSettings {
		calls = append(calls, "pg_catalog.set_config('"+name+"', '"+values[i]+"', true)")
	}
	return newStmt("select "+strings.Join(calls, ", "), 0)
}

// byIndex puts steps that look for rows under those settings.
func (f *flusher) byIndex(steps []*step) []*step {
	if len(steps) == 0 {
		return nil
	}
	return slices.Concat([]*step{setting(f.pin)}, steps, []*step{setting(f.unpin)})
}

func setting(st *stmt) *step { return &step{stmt: st, role: roleControl, want: -1} }

func control(sql string) *step { return &step{sql: sql, role: roleControl, want: -1} }

// closing checks the deferred constraints and releases the savepoint, unless
// that is to be held.
func (f *flusher) closing(try attempt, held bool) []*step {
	var steps []*step
	if !try.uncheck {
		steps = append(steps, &step{sql: checkAll, role: roleCheck, want: -1})
	}
	if !held {
		steps = append(steps, control(endFlush))
	}
	return steps
}

func (f *flusher) deletes(g *groups) []*step {
	var steps []*step
	if len(g.gone) > 0 {
		steps = append(steps, f.remove(g.table, g.gone, int64(len(g.gone))))
	}
	if len(g.never) > 0 {
		steps = append(steps, f.remove(g.table, g.never, 0))
	}
	return steps
}

// remove deletes the rows of these delete events.
func (f *flusher) remove(t *table, rows []int32, want int64) *step {
	key := f.set.in(t).key
	if key.whole {
		s := f.set.in(t).shape
		return &step{stmt: s.removeStmt(), table: t, rows: rows, slots: s.all(), want: want, misses: true}
	}
	return &step{stmt: t.deleteStmt(key), table: t, rows: rows, slots: key.slots(), want: f.expect(want), misses: want > 0}
}

// whole tells whether the table's rows in the set have no key.
func (s *set) whole(t *table) bool {
	key := s.in(t).key
	return key != nil && key.whole
}

func (f *flusher) expect(want int64) int64 {
	if f.opt.CatchUp {
		return -1
	}
	return want
}

func (f *flusher) writes(g *groups, try attempt) []*step {
	t := g.table
	if len(g.fresh)+len(g.known) == 0 {
		return nil
	}
	s := f.set.in(t).shape
	if f.set.whole(t) {
		return []*step{f.insert(t, s, g.fresh, try)}
	}
	if f.opt.CatchUp || len(g.fresh) > 0 && (try.upsert || t.upserts > 0) {
		if f.opt.CatchUp { // as it is not looked at, one statement does
			g.known = append(g.known, g.fresh...)
			slices.SortFunc(g.known, f.set.compareKeys)
			g.fresh = nil
		}
		return append(f.upsert(t, s, g.fresh, int64(len(g.fresh))), f.known(g, s, try)...)
	}
	var steps []*step
	if len(g.fresh) > 0 {
		steps = append(steps, f.insert(t, s, g.fresh, try))
	}
	return append(steps, f.known(g, s, try)...)
}

// known writes rows that should be there.
func (f *flusher) known(g *groups, s *shape, try attempt) []*step {
	if !try.update || !f.updatePays(g) {
		return f.upsert(g.table, s, g.known, 0)
	}
	return f.byIndex([]*step{{stmt: s.updateStmt(), table: g.table, rows: g.known, slots: s.all(), want: -1, exact: true}})
}

// insert writes rows that should not be there.
func (f *flusher) insert(t *table, s *shape, rows []int32, try attempt) *step {
	if !try.noCopy && f.copyPays(t, len(rows)) {
		return &step{sql: s.copySQL(), copies: true, table: t, rows: rows, slots: s.insert, role: rolePlain, want: -1}
	}
	return &step{stmt: s.insertStmt(), table: t, rows: rows, slots: s.all(), role: rolePlain, want: -1}
}

// upsert writes rows whether they are there or not; want is how many should
// not be.
func (f *flusher) upsert(t *table, s *shape, rows []int32, want int64) []*step {
	if len(rows) == 0 {
		return nil
	}
	mk := func(st *stmt, want int64) *step {
		return &step{stmt: st, table: t, rows: rows, slots: s.all(), want: want, misses: want == 0}
	}
	want = f.expect(want)
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
func (f *flusher) count(steps []*step, try attempt) {
	for _, s := range steps {
		if s.table != nil {
			s.table.counts.Diverged += s.off
		}
	}
	for i, t := range f.set.tables {
		t.slack = t.left
		g, in := &f.net[i], f.set.in(t)
		applied := g.changes()
		if try.single {
			applied = f.set.standing(t)
		}
		applied += in.truncates
		t.counts.Applied += applied
		t.counts.Coalesced += in.events - applied
		if !try.single {
			t.counts.BySets += applied - int64(len(g.ordered))
		}
		if t.upserts > 0 {
			t.upserts--
		}
		if t.noCopy > 0 {
			t.noCopy--
		}
		if t.noUpdate > 0 {
			t.noUpdate--
		}
	}
}

// explain makes the error that the caller sees.
func (f *flusher) explain(fail *failure) error {
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
		r := &f.set.rows[s.rows[0]]
		e.Event, e.Key = r.event, f.keyText(r)
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
