package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/skytools-go/skytools/internal/ident"
)

// attempt is how a flush is tried. The first is the cheapest that is right
// for nearly every flush; an error tells what to try next.
type attempt struct {
	open     string // statement that comes first: sets the savepoint or goes back to it
	upsert   bool   // no plain inserts: one met a row that is there
	noCopy   bool   // inserts go by INSERT
	update   bool   // rows told to be there go by UPDATE where there are many
	deletes  bool   // before the writes; else after them
	reversed bool   // the other order was tried
	uncheck  bool   // leave violated deferred constraints to later flushes
	single   bool   // row by row in event order
}

// bySafeWay is for how many flushes a table keeps to the way that a failure has
// shown to be needed.
const bySafeWay = 100

// failure is a statement that the server refused.
type failure struct {
	step *step
	err  error
}

// when tells why a flush is made.
type when byte

const (
	whenFull  when = iota // may be put off, if the events to come would help
	whenAsked             // must be done; more follow in the transaction
	atEnd                 // all constraints must hold after it
)

// flush brings a set to the server and empties it; with putOff the server
// would not have it yet, and it is as it was.
func (f *flusher) flush(ctx context.Context, s *set, why when) (putOff bool, err error) {
	if s.empty() && (why != atEnd || !f.deferred) {
		return false, nil
	}
	f.set, f.net = s, s.net()
	try, err := f.first(ctx, why)
	if err != nil {
		return false, err
	}
	for {
		steps, fail := f.try(ctx, try)
		if fail == nil {
			fail = missed(steps)
		}
		if fail == nil && why == whenFull && !try.single && f.short(steps) {
			return true, f.takeBack(ctx)
		}
		if fail == nil && f.holds(steps) {
			if f.opt.StopOnConflict && !try.single && slices.ContainsFunc(steps, func(s *step) bool { return s.off > 0 }) {
				// Going one by one stops at the row.
				fail = &failure{steps[0], ErrConflict}
			} else {
				fail = f.exec(ctx, []*step{control(endFlush)})
			}
		}
		if fail == nil {
			f.count(steps, try)
			f.deferred = try.uncheck
			s.reset(2 * f.opt.MaxBytes)
			f.flushes++
			return false, nil
		}
		next, again := f.next(ctx, try, fail, why)
		if !again {
			return false, f.explain(fail)
		}
		if next.single && why == whenFull && sqlState(fail.err) == "23503" {
			return true, f.takeBack(ctx)
		}
		if next.single && !try.single && fail.step.table != nil {
			fail.step.table.counts.Fallbacks++
		}
		try = next
		try.open = undoFlush
	}
}

// short tells whether a row without a key was not there to be deleted. A
// trigger may have deleted it before its own INSERT was told, and that comes.
func (f *flusher) short(steps []*step) bool {
	return slices.ContainsFunc(steps, func(s *step) bool { return s.table != nil && f.set.whole(s.table) && s.want > s.found })
}

// takeBack undoes the flush. Its events wait for those that follow, in which
// the provider's statement goes on (children moved by ON UPDATE CASCADE come
// before their parent).
func (f *flusher) takeBack(ctx context.Context) error {
	if fail := f.exec(ctx, []*step{control(undoFlush), control(endFlush)}); fail != nil {
		return f.explain(fail)
	}
	return nil
}

// first chooses the first attempt.
//
// Deletes before writes let a unique value move from a row that goes to one
// that comes. But where foreign keys are live a delete can set off ON DELETE
// CASCADE: the provider gave a parent a new key and moved its children by ON
// UPDATE CASCADE, then deleting the old parent here before the children have
// moved would take them, and their own children, along. So there writes go
// first.
func (f *flusher) first(ctx context.Context, why when) (attempt, error) {
	try := attempt{open: beginFlush, deletes: true, uncheck: f.deferred && why != atEnd}
	gone, written, many := false, false, false
	for i := range f.net {
		g := &f.net[i]
		gone = gone || len(g.gone)+len(g.never)+len(g.ordered) > 0
		written = written || len(g.fresh)+len(g.known)+len(g.ordered) > 0
		many = many || f.updatePays(g)
	}
	if !many && !(gone && written) {
		return try, nil
	}
	live, err := f.liveKeys(ctx)
	if err != nil {
		return try, err
	}
	try.update = !live
	if gone && written {
		try.deletes = !live
		try.single = live && f.mixed()
	}
	return try, nil
}

// mixed tells whether a table that goes in event order is referenced by one
// that does not: its deletes cannot be put after the other's writes.
func (f *flusher) mixed() bool {
	var names []ident.Name
	for i := range f.net {
		if g := &f.net[i]; len(g.ordered) > 0 {
			names = append(names, g.table.target.Name)
		}
	}
	return slices.ContainsFunc(f.set.tables, func(t *table) bool {
		return slices.ContainsFunc(t.target.References, func(n ident.Name) bool { return slices.Contains(names, n) })
	})
}

// liveKeys tells whether foreign keys act in this transaction.
func (f *flusher) liveKeys(ctx context.Context) (bool, error) {
	if f.role == "" {
		rows, err := f.tx.Query(ctx, "select pg_catalog.current_setting('session_replication_role')")
		if err != nil {
			return false, err
		}
		for rows.Next() {
			if err := rows.Scan(&f.role); err != nil {
				rows.Close()
				return false, err
			}
		}
		if err := rows.Err(); err != nil {
			return false, err
		}
	}
	return f.role != "replica", nil
}

// cascades tells whether a delete from one of the tables that the flush
// deletes from can change other rows.
func (f *flusher) cascades(ctx context.Context) bool {
	for i := range f.net {
		g := &f.net[i]
		if len(g.gone)+len(g.never) == 0 {
			continue
		}
		var yes bool
		err := f.tx.QueryRow(ctx, `
select exists (select from pg_catalog.pg_constraint f
                 join pg_catalog.pg_class c on c.oid = f.confrelid
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where f.contype = 'f' and f.confdeltype in ('c', 'n', 'd') and n.nspname = $1 and c.relname = $2)`,
			g.table.target.Name.Schema, g.table.target.Name.Name).Scan(&yes)
		if err != nil || yes {
			return true
		}
	}
	return false
}

// next chooses the attempt after one that failed.
func (f *flusher) next(ctx context.Context, try attempt, fail *failure, why when) (_ attempt, again bool) {
	switch fail.err {
	case errMissed:
		try.update = false
		fail.step.table.noUpdate = bySafeWay
		return try, true
	case ErrConflict:
		again = !try.single
		try.single = true
		return try, again
	}
	code := sqlState(fail.err)
	if !redoable(code) || try.single && fail.step.role != roleCheck {
		return try, false
	}
	switch {
	case fail.step.role == roleCheck:
		switch {
		case why != atEnd && !try.uncheck:
			try.uncheck = true
		case try.update: // a row that it did not find may be what is missing
			try.update = false
		default:
			return try, false
		}
	case fail.step.copies && code[:2] != "23":
		try.noCopy = true
		fail.step.table.noCopy = bySafeWay
	case fail.step.role == rolePlain && code == "23505" && !try.upsert && f.ofKey(fail):
		try.upsert = true
		fail.step.table.upserts = bySafeWay
	case code == "23503" && try.deletes && !try.reversed,
		code == "23505" && !try.deletes && !try.reversed && f.undone(ctx) && !f.cascades(ctx):
		try.deletes, try.reversed = !try.deletes, true
	default:
		try.single = true
	}
	return try, true
}

// undone goes back to the savepoint, so that the transaction can be asked.
func (f *flusher) undone(ctx context.Context) bool {
	return f.exec(ctx, []*step{control(undoFlush)}) == nil
}

// ofKey tells whether it is the key that a plain insert met, and no other
// unique index.
func (f *flusher) ofKey(fail *failure) bool {
	pg, ok := errors.AsType[*pgconn.PgError](fail.err)
	return ok && pg.ConstraintName == f.set.in(fail.step.table).key.Index
}

// sqlState is the server's code of an error; "" when it is none of the
// server's.
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// redoable tells the errors that rows and their order can cause. All others
// (connection, deadlock, serialization, disk, cancel) are the caller's.
func redoable(code string) bool {
	if len(code) != 5 {
		return false
	}
	return slices.Contains([]string{"0A", "21", "22", "23", "27", "42", "44", "P0"}, code[:2])
}

// try runs the set once.
func (f *flusher) try(ctx context.Context, try attempt) ([]*step, *failure) {
	for _, t := range f.set.tables {
		t.left = t.slack + f.set.in(t).moved
	}
	if try.single {
		return f.trySingly(ctx, try)
	}
	steps := f.plan(try)
	fail := f.exec(ctx, steps)
	if fail == nil {
		judge(steps)
	}
	return steps, fail
}
