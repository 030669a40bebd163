package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// seqValue is where a sequence stands.
type seqValue struct {
	Last   int64
	Called bool
}

// mirror sets the subscriber's sequences where the provider's stand, up or
// down. It remembers what it set: a sequence changed by hand at the
// subscriber is left until the provider's moves.
type mirror struct {
	version string // of the registry that sql was made of
	names   []ident.Name
	sql     string                  // reads all of them at the provider; "" none
	set     map[ident.Name]seqValue // as last set, or found equal
	gone    map[ident.Name]bool     // missing at a side, as last logged; looked for again by sweep
	readAt  time.Time
}

func newMirror() *mirror {
	return &mirror{set: map[ident.Name]seqValue{}, gone: map[ident.Name]bool{}}
}

// change is a sequence to be set.
type change struct {
	name ident.Name
	seqValue
}

// readSequences reads all registered sequences at the provider, in one
// statement, and returns those to be set. Called after a batch's closing tick
// is known, it is never behind a row of the batch.
func (r *run) readSequences(ctx context.Context) ([]change, error) {
	m := r.mirror
	if m.version != r.tables.version {
		if err := r.prepareMirror(ctx); err != nil {
			return nil, fmt.Errorf("sequences: %w", err)
		}
	}
	m.readAt = time.Now()
	if m.sql == "" {
		return nil, nil
	}
	rows, err := r.prov.Query(ctx, m.sql)
	if err != nil {
		return nil, fmt.Errorf("read sequences at the provider: %w", err)
	}
	var (
		changes []change
		nr      int
		v       seqValue
	)
	_, err = pgx.ForEachRow(rows, []any{&nr, &v.Last, &v.Called}, func() error {
		name := m.names[nr]
		if was, known := m.set[name]; !known || was != v {
			changes = append(changes, change{name, v})
		}
		return nil
	})
	if err != nil {
		m.version = "" // dropped or renamed: look which ones there are
		return nil, fmt.Errorf("read sequences at the provider: %w", err)
	}
	return changes, nil
}

// prepareMirror makes the statement for the sequences that both sides have,
// and finds those that stand right already.
func (r *run) prepareMirror(ctx context.Context) error {
	m := r.mirror
	m.version, m.names, m.sql = r.tables.version, nil, ""
	var names []ident.Name
	for _, s := range r.tables.seqs {
		if s.Local {
			names = append(names, s.Name)
		}
	}
	for _, side := range []struct {
		what string
		conn *pgx.Conn
	}{{"provider", r.prov}, {"subscriber", r.sub}} {
		there, err := existing(ctx, side.conn, names)
		if err != nil {
			return fmt.Errorf("%s: %w", side.what, err)
		}
		var kept []ident.Name
		for _, n := range names {
			if there[n] {
				kept = append(kept, n)
			} else if !m.gone[n] {
				m.gone[n] = true
				r.Logger().Warn("Sequence does not exist", "sequence", n.String(), "side", side.what)
			}
		}
		names = kept
	}
	maps.DeleteFunc(m.gone, func(n ident.Name, _ bool) bool { return slices.Contains(names, n) })
	// One that left and comes back is compared anew.
	maps.DeleteFunc(m.set, func(n ident.Name, _ seqValue) bool { return !slices.Contains(names, n) })
	m.names, m.sql = names, readSQL(names)
	if m.sql == "" {
		return nil
	}
	rows, err := r.sub.Query(ctx, m.sql)
	if err != nil {
		return err
	}
	var (
		nr int
		v  seqValue
	)
	_, err = pgx.ForEachRow(rows, []any{&nr, &v.Last, &v.Called}, func() error {
		if _, known := m.set[names[nr]]; !known {
			m.set[names[nr]] = v
		}
		return nil
	})
	return err
}

// readSQL reads several sequences in one statement, numbered from 0.
func readSQL(names []ident.Name) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(" union all ")
		}
		fmt.Fprintf(&b, "select %d, last_value, is_called from %s", i, n.SQL())
	}
	return b.String()
}

// existing tells which of the names are sequences at conn's side.
func existing(ctx context.Context, conn *pgx.Conn, names []ident.Name) (map[ident.Name]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var quoted []string
	for _, n := range names {
		quoted = append(quoted, n.SQL())
	}
	rows, err := conn.Query(ctx, `
		select nr::int from unnest($1::text[]) with ordinality as x (name, nr)
		where exists (select from pg_class where oid = to_regclass(name)::oid and relkind = 'S')`, quoted)
	if err != nil {
		return nil, err
	}
	there := map[ident.Name]bool{}
	var nr int
	_, err = pgx.ForEachRow(rows, []any{&nr}, func() error {
		there[names[nr-1]] = true
		return nil
	})
	return there, err
}

// setSequences sets sequences inside a transaction, in a savepoint of their
// own. setval is not transactional: done before the rows' commit, a crash
// leaves it ahead of the rows, which is harmless. A sequence that cannot be
// set (its bounds differ) is reported and does not stop the rows.
func (r *run) setSequences(ctx context.Context, tx pgx.Tx, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := setAll(ctx, tx, changes); err == nil {
		r.mirrored(changes)
		return nil
	}
	for i := range changes {
		one := changes[i : i+1]
		if err := setAll(ctx, tx, one); err != nil {
			if tx.Conn().IsClosed() || ctx.Err() != nil {
				return err
			}
			r.Logger().Warn("Cannot set sequence", "sequence", one[0].name.String(), "value", one[0].Last, "error", err)
		}
		r.mirrored(one) // tried again when it moves
	}
	return nil
}

func (r *run) mirrored(changes []change) {
	for _, c := range changes {
		r.mirror.set[c.name] = c.seqValue
	}
}

func setAll(ctx context.Context, tx pgx.Tx, changes []change) error {
	var (
		names  []string
		values []int64
		called []bool
	)
	for _, c := range changes {
		names, values, called = append(names, c.name.SQL()), append(values, c.Last), append(called, c.Called)
	}
	return set.InSavepoint(ctx, tx, func() error {
		_, err := tx.Exec(ctx, `select setval(s::regclass, v, c)
			from unnest($1::text[], $2::bigint[], $3::boolean[]) as x (s, v, c)`, names, values, called)
		return err
	})
}

// mirrorIdle brings the sequences along while there are no batches.
func (r *run) mirrorIdle(ctx context.Context) error {
	changes, err := r.readSequences(ctx)
	if err != nil || len(changes) == 0 {
		return err
	}
	return r.settle(ctx, changes)
}
