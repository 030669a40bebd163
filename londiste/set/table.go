package set

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Table is one registration: a row of londiste.table_info.
type Table struct {
	Nr    int
	Name  ident.Name // the name in the set, the same at every node
	Dest  ident.Name // the table at this node; Name where dest_table is null
	Local bool       // this node has it; false: known to the set only
	State State      // at a root always OK
	Attrs url.Values // table_attrs, urlencoded there: skip_truncate=1, …

	Parked *ParkedTable // at a subscriber: why the worker leaves it aside, if it does
	Part   *PartResync  // there too: which part of it is to be copied anew, if one is
}

// SkipTruncate tells whether the copy must keep the rows it finds.
func (t *Table) SkipTruncate() bool { return t.Attrs.Get("skip_truncate") == "1" }

// Sequence is one registration: a row of londiste.seq_info.
type Sequence struct {
	Nr        int
	Name      ident.Name
	Local     bool
	LastValue int64 // as last published or set
}

// Queryer is a connection or a transaction.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Tables reads the tables registered for queue at q's side, in the order of
// their registration.
func Tables(ctx context.Context, q Queryer, queue string) ([]Table, error) {
	rows, err := q.Query(ctx, tableSQL+` order by nr`, queue)
	if err != nil {
		return nil, fmt.Errorf("read tables of %s: %w", queue, err)
	}
	return pgx.CollectRows(rows, scanTable)
}

const tableSQL = `select nr, table_name, dest_table, local, merge_state, coalesce(table_attrs, '')
	from londiste.table_info where queue_name = $1`

func scanTable(row pgx.CollectableRow) (Table, error) {
	var (
		t           Table
		name, attrs string
		dest, state *string
	)
	err := row.Scan(&t.Nr, &name, &dest, &t.Local, &state, &attrs)
	if err != nil {
		return t, err
	}
	if t.Name, err = ident.Parse(name); err != nil {
		return t, err
	}
	t.Dest = t.Name
	if dest != nil {
		if t.Dest, err = ident.Parse(*dest); err != nil {
			return t, err
		}
	}
	if t.State, err = ParseState(state); err != nil {
		return t, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if t.Attrs, err = url.ParseQuery(attrs); err != nil {
		return t, fmt.Errorf("table %s: attributes %q: %w", t.Name, attrs, err)
	}
	return t, nil
}

// OneTable reads one registration.
func OneTable(ctx context.Context, q Queryer, queue string, name ident.Name) (Table, bool, error) {
	rows, err := q.Query(ctx, tableSQL+` and table_name = $2`, queue, name.String())
	if err != nil {
		return Table{}, false, fmt.Errorf("read table %s of %s: %w", name, queue, err)
	}
	t, err := pgx.CollectOneRow(rows, scanTable)
	if errors.Is(err, pgx.ErrNoRows) {
		return Table{}, false, nil
	}
	return t, err == nil, err
}

// Sequences reads the sequences registered for queue at q's side, in the
// order of their registration.
func Sequences(ctx context.Context, q Queryer, queue string) ([]Sequence, error) {
	rows, err := q.Query(ctx, `
		select nr, seq_name, local, last_value
		from londiste.seq_info where queue_name = $1 order by nr`, queue)
	if err != nil {
		return nil, fmt.Errorf("read sequences of %s: %w", queue, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Sequence, error) {
		var (
			s    Sequence
			name string
		)
		if err := row.Scan(&s.Nr, &name, &s.Local, &s.LastValue); err != nil {
			return s, err
		}
		var err error
		s.Name, err = ident.Parse(name)
		return s, err
	})
}

// PrimaryKey reads the columns of a table's primary key; none where it has none.
func PrimaryKey(ctx context.Context, q Queryer, table ident.Name) ([]string, error) {
	rows, err := q.Query(ctx, `
		select a.attname::text from pg_index i
		join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
		where i.indrelid = to_regclass($1)::oid and i.indisprimary`, table.SQL())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// ErrMoved: a change of state found another state than the one it starts from.
var ErrMoved = errors.New("the table's state was changed by somebody else")

// MoveTables runs fn, which changes tables' states, in a transaction.
func (f Fence) MoveTables(ctx context.Context, conn *pgx.Conn, fn func(tx pgx.Tx) error) error {
	return f.Write(ctx, conn, failpoint.CopyState, fn)
}

// MoveTable changes a table's state, as owner by may; ErrMoved if it is not from.
func MoveTable(ctx context.Context, tx pgx.Tx, queue string, name ident.Name, by Owner, from, to State) error {
	if !by.May(from.Phase, to.Phase) {
		return fmt.Errorf("table %s: state %s may not become %s", name, from, to)
	}
	tag, err := tx.Exec(ctx, `update londiste.table_info set merge_state = $4
		where queue_name = $1 and table_name = $2 and local and merge_state is not distinct from $3`,
		queue, name.String(), from.Text(), to.Text())
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrMoved
	}
	return nil
}

// CopyAnew sends a table to the start, from whatever state and place.
func CopyAnew(ctx context.Context, tx pgx.Tx, queue string, name ident.Name) error {
	_, err := tx.Exec(ctx, `update londiste.table_info set merge_state = null, custom_snapshot = null
		where queue_name = $1 and table_name = $2 and local`, queue, name.String())
	if err != nil {
		return err
	}
	return Unpark(ctx, tx, queue, name, true)
}
