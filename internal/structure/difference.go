package structure

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Difference is one thing in which the two ends do not fit.
type Difference struct {
	Object string `json:"object"` // the table's, type's or sequence's name
	Text   string `json:"text"`   // the whole sentence, the object named in it
	Hint   string `json:"hint,omitempty"`
	// Breaks: the table cannot be replicated like this. Otherwise it can be,
	// as long as the values fit.
	Breaks bool `json:"breaks"`
	// SQL mends it at the subscriber; empty where no statement can.
	SQL []string `json:"sql"`

	Table  ident.Name `json:"-"` // zero for what tables share
	Kind   Kind       `json:"-"`
	Name   string     `json:"-"` // the part's
	Fact   string     `json:"-"` // of the part, where one of its facts differs
	Absent bool       `json:"-"` // an end has no such table or sequence at all
	// Missing: the subscriber has nothing of that name; else it has another.
	Missing bool `json:"-"`
	// Decorates: about owner, privileges, comments, storage.
	Decorates bool `json:"-"`

	steps   []step
	drops   bool
	blocked bool // a column of the table to be made cannot be
}

// Statement is one of those that mend.
type Statement struct {
	SQL string
	// Drops: it takes away a column and the values in it.
	Drops bool
}

// Statements are those of all differences, each once, in an order that works.
func Statements(found []Difference) []Statement {
	type placed struct {
		step
		drops bool
	}
	var all []placed
	seen := map[step]bool{}
	for _, d := range found {
		for _, s := range d.steps {
			if !seen[s] {
				seen[s] = true
				all = append(all, placed{s, d.drops && s.stage == dropColumns})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.stage, b.stage) })
	statements := make([]Statement, len(all))
	for i, s := range all {
		statements[i] = Statement{s.sql, s.drops}
	}
	return statements
}

// add puts statements into their stage, which the difference's own list
// follows too.
func (d *Difference) add(at stage, statements ...string) {
	for _, sql := range statements {
		if sql != "" && !slices.Contains(d.steps, step{at, sql}) {
			d.steps = append(d.steps, step{at, sql})
		}
	}
}

// WithoutSQL is the difference where its statements are known to fail.
func (d Difference) WithoutSQL() Difference {
	d.steps, d.SQL = nil, []string{}
	return d
}

func (d *Difference) settle() {
	if d.blocked {
		d.steps = nil
	}
	slices.SortStableFunc(d.steps, func(a, b step) int { return cmp.Compare(a.stage, b.stage) })
	d.SQL = []string{}
	for _, s := range d.steps {
		d.SQL = append(d.SQL, s.sql)
	}
}

// Run runs the statements of differences in a transaction, in which the
// search path stays as they need it. Those that the tables can do without are
// left out where the server refuses them; what it said is returned. Nothing
// is left out for a lock, a lost connection or the like.
func Run(ctx context.Context, tx pgx.Tx, found []Difference) (refused []error, err error) {
	if _, err := tx.Exec(ctx, "set local search_path = pg_catalog"); err != nil {
		return nil, err
	}
	vital := map[string]bool{}
	for _, d := range found {
		for _, s := range d.steps {
			vital[s.sql] = vital[s.sql] || s.stage <= makeKeys && s.stage != ownTables
		}
	}
	for _, s := range Statements(found) {
		err := inSavepoint(ctx, tx, s.SQL)
		switch {
		case err == nil:
		case vital[s.SQL] || !refusal(err):
			return refused, err
		default:
			refused = append(refused, err)
		}
	}
	return refused, nil
}

func inSavepoint(ctx context.Context, tx pgx.Tx, sql string) error {
	if _, err := tx.Exec(ctx, "savepoint structure"); err != nil {
		return err
	}
	end := "release savepoint structure"
	_, failed := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if failed != nil {
		end = "rollback to savepoint structure; " + end
		failed = fmt.Errorf("%s: %w", sql, failed)
	}
	if _, err := tx.Exec(ctx, end); err != nil {
		return cmp.Or(failed, err)
	}
	return failed
}
