package londiste

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// source is the provider's table.
type source struct {
	name ident.Name
	key  []string // sorted columns by which events tell rows apart; nil: its primary key
}

// source finds the table at the provider; nil where it is not attached. That
// it is attached means that its triggers are committed: whatever is not in a
// snapshot from now on becomes an event.
func (c *copier) source(ctx context.Context) (*source, error) {
	t, found, err := oneTable(ctx, c.prov, c.Queue, c.name)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	if !found || !t.Local {
		return nil, nil
	}
	s := &source{name: t.Dest}
	err = c.prov.QueryRow(ctx, `select key_columns from skytools.capture
		where queue_name = $1 and table_schema = $2 and table_name = $3`,
		c.Queue, s.name.Schema, s.name.Name).Scan(&s.key)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("provider: key of %s: %w", s.name, err)
	}
	if len(s.key) == 0 {
		if s.key, err = primaryKey(ctx, c.prov, s.name); err != nil {
			return nil, fmt.Errorf("provider: key of %s: %w", s.name, err)
		}
	}
	slices.Sort(s.key)
	return s, nil
}

func primaryKey(ctx context.Context, q queryer, table ident.Name) ([]string, error) {
	rows, err := q.Query(ctx, `
		select a.attname::text from pg_index i
		join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
		where i.indrelid = to_regclass($1) and i.indisprimary`, table.SQL())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// copyRows copies the table in one transaction of the subscriber and one
// snapshot of the provider. A crash anywhere leaves the table as it was, with
// all its indexes, and in-copy.
func (c *copier) copyRows(ctx context.Context, t *Table) error {
	src, err := c.source(ctx)
	if err != nil {
		return err
	}
	if src == nil {
		return hint.With(fmt.Errorf("table %s is not attached to queue %s at the provider any more", c.name, c.Queue),
			"provider add %s", c.name)
	}
	// None should be left, but somebody may have made one meanwhile.
	if err := c.dropFkeys(ctx, t.Dest); err != nil {
		return err
	}
	c.log().Info("Starting full copy", "table", c.name.String())
	begin := time.Now()
	to := State{Phase: CatchingUp}
	var copied int64
	err = c.fence.write(ctx, c.sub, failpoint.CopyData, func(tx pgx.Tx) error {
		if err := beginDDL(ctx, tx, c.Pair); err != nil {
			return err
		}
		keys, err := c.clear(ctx, tx, t, src)
		if err != nil {
			return err
		}
		var snapshot string
		if copied, snapshot, err = c.transfer(ctx, tx, t, src); err != nil {
			return err
		}
		for _, k := range keys {
			if err := runDDL(ctx, tx, c.Pair, k.ddl); err != nil {
				return c.explainKey(t, k, err)
			}
		}
		_, err = tx.Exec(ctx, `update londiste.table_info set custom_snapshot = $3
			where queue_name = $1 and table_name = $2`, c.Queue, c.name.String(), snapshot)
		if err != nil {
			return err
		}
		return c.move(ctx, tx, t.State, to)
	})
	if errors.Is(err, errMoved) {
		c.log().Info("Copy dropped: the table's state was changed", "table", c.name.String())
		return nil
	}
	if err != nil {
		return err
	}
	c.log().Info("Copy finished", "table", c.name.String(), "rows", copied,
		"duration", time.Since(begin).Round(time.Millisecond))
	c.moved(to)
	return nil
}

func (c *copier) explainKey(t *Table, k object, err error) error {
	err = fmt.Errorf("build key %s: %w", k.name, err)
	if t.SkipTruncate() {
		return hint.With(err, "the table had rows of its own (--skip-truncate): remove those that the provider has as well")
	}
	return err
}

// clear locks the table, empties it, and drops its indexes.
func (c *copier) clear(ctx context.Context, tx pgx.Tx, t *Table, src *source) ([]object, error) {
	if _, err := tx.Exec(ctx, "lock table only "+t.Dest.SQL()+" in access exclusive mode"); err != nil {
		return nil, err
	}
	if !t.SkipTruncate() {
		if _, err := tx.Exec(ctx, "truncate only "+t.Dest.SQL()); err != nil {
			return nil, err
		}
	}
	return dropObjects(ctx, tx, c.Pair, t, src.key)
}

// transfer pipes the rows from one server to the other and returns their
// number and the snapshot that they were read in.
func (c *copier) transfer(ctx context.Context, tx pgx.Tx, t *Table, src *source) (int64, string, error) {
	read, err := c.prov.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	defer read.Rollback(context.WithoutCancel(ctx))
	// Rows hidden by a policy would be missing in silence: rather an error.
	_, err = read.Exec(ctx, fmt.Sprintf("%s; set local row_security = off; set local lock_timeout = '%dms'",
		pinnedPath, c.lockTimeout().Milliseconds()))
	if err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	var snapshot string
	if err := read.QueryRow(ctx, `select txid_current_snapshot()::text`).Scan(&snapshot); err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	plan, err := planCopy(ctx, read, src.name, tx, t.Dest)
	if err != nil {
		return 0, "", err
	}
	out, in := plan.statements(src.name, t)
	n, err := pipe(ctx, read.Conn(), out, tx.Conn(), in)
	return n, snapshot, err
}

// pipe runs a COPY TO at one side into a COPY FROM at the other.
func pipe(ctx context.Context, from *pgx.Conn, out string, to *pgx.Conn, in string) (int64, error) {
	pr, pw := io.Pipe()
	var sent, got int64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		// A pipe hands over each write by itself: one a row without this.
		w := bufio.NewWriterSize(pw, 256<<10)
		tag, err := from.PgConn().CopyTo(ctx, w, out)
		if err == nil {
			err = w.Flush()
		}
		sent = tag.RowsAffected()
		pw.CloseWithError(err) // an error becomes the reader's: half a table is never committed
		if err != nil && !errors.Is(err, errReader) {
			return fmt.Errorf("provider: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		tag, err := to.PgConn().CopyFrom(ctx, pr, in)
		got = tag.RowsAffected()
		pr.CloseWithError(errReader)
		if err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if sent != got {
		return 0, fmt.Errorf("the provider sent %d rows, the subscriber took %d", sent, got)
	}
	return got, nil
}

var errReader = errors.New("the other side has ended")

// copyPlan says which columns are copied and how.
type copyPlan struct {
	columns  []string
	binary   bool
	computed bool // a column is generated at the provider, plain at the subscriber
}

// attribute is a column at one side.
type attribute struct {
	name      string
	typ       uint32
	generated bool
	stored    bool // generated, and in the row: events tell it
	portable  bool // the same bytes mean the same at any server of one major version
}

// planCopy compares the columns of both sides. Those generated at the
// subscriber are left to compute themselves; a plain one there gets what the
// provider has computed and stored, from the copy as from the events.
func planCopy(ctx context.Context, prov pgx.Tx, src ident.Name, sub pgx.Tx, dest ident.Name) (copyPlan, error) {
	theirs, theirVersion, err := attributes(ctx, prov, src)
	if err != nil {
		return copyPlan{}, fmt.Errorf("provider: columns of %s: %w", src, err)
	}
	ours, ourVersion, err := attributes(ctx, sub, dest)
	if err != nil {
		return copyPlan{}, fmt.Errorf("subscriber: columns of %s: %w", dest, err)
	}
	plan := copyPlan{binary: theirVersion == ourVersion}
	for _, col := range theirs {
		if col.generated && !col.stored {
			continue
		}
		i := slices.IndexFunc(ours, func(a attribute) bool { return a.name == col.name })
		if i < 0 {
			return plan, hint.With(fmt.Errorf("column %s of table %s does not exist at the subscriber", col.name, dest),
				"add it there with the provider's type")
		}
		if ours[i].generated {
			continue
		}
		plan.computed = plan.computed || col.generated
		plan.columns = append(plan.columns, ident.Quote(col.name))
		plan.binary = plan.binary && col.portable && col.typ == ours[i].typ
	}
	if len(plan.columns) == 0 {
		return plan, fmt.Errorf("table %s has no column to copy", dest)
	}
	return plan, nil
}

// Types from initdb have the same number everywhere; those whose binary form
// holds an object's number or hangs on a setting have not the same meaning.
func attributes(ctx context.Context, tx pgx.Tx, table ident.Name) ([]attribute, int, error) {
	var version int
	err := tx.QueryRow(ctx, `select current_setting('server_version_num')::int / 10000`).Scan(&version)
	if err != nil {
		return nil, 0, err
	}
	rows, err := tx.Query(ctx, `
		select a.attname::text, a.atttypid, a.attgenerated <> '', a.attgenerated = 's',
			t.oid < 10000 and t.typtype in ('b', 'r', 'm') and t.typsend <> 0 and t.typreceive <> 0
				and t.typname !~ '^_?(reg|money$)'
		from pg_attribute a join pg_type t on t.oid = a.atttypid
		where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
		order by a.attnum`, table.SQL())
	if err != nil {
		return nil, 0, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (attribute, error) {
		var a attribute
		err := row.Scan(&a.name, &a.typ, &a.generated, &a.stored, &a.portable)
		return a, err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("table %s does not exist", table)
	}
	return list, version, err
}

// statements are the COPY of either side. A table truncated in the same
// transaction takes frozen rows, which no vacuum has to look at again.
func (p copyPlan) statements(src ident.Name, t *Table) (out, in string) {
	columns := strings.Join(p.columns, ", ")
	var options []string
	if p.binary {
		options = append(options, "format binary")
	}
	with := func(options []string) string {
		if len(options) == 0 {
			return ""
		}
		return " with (" + strings.Join(options, ", ") + ")"
	}
	from := src.SQL() + " (" + columns + ")"
	if p.computed { // which only a query gives out
		from = "(select " + columns + " from only " + src.SQL() + ")"
	}
	out = "copy " + from + " to stdout" + with(options)
	if !t.SkipTruncate() {
		options = append(options, "freeze")
	}
	return out, "copy " + t.Dest.SQL() + " (" + columns + ") from stdin" + with(options)
}
