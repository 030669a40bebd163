package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/transfer"
	"github.com/skytools-go/skytools/londiste/set"
)

// source is the provider's table.
type source struct {
	name ident.Name
	key  []string // sorted columns by which events tell rows apart
	told bool     // every change of a row becomes an event
	rows string   // the table as a statement names it: "only" but for a partitioned one
}

// source finds the table at the provider; nil where it is not attached. That
// it is attached means that its triggers are committed: whatever is not in a
// snapshot from now on becomes an event.
func (c *copier) source(ctx context.Context) (*source, error) {
	t, found, err := set.OneTable(ctx, c.prov, c.Queue, c.name)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	if !found || !t.Local {
		return nil, nil
	}
	s := &source{name: t.Dest}
	if s.key, s.told, err = set.EventKey(ctx, c.prov, c.Queue, s.name); err != nil {
		return nil, err
	}
	slices.Sort(s.key)
	s.rows, err = set.One[string](ctx, c.prov, `select case when exists (select from pg_class
		where oid = to_regclass($1)::oid and relkind = 'p') then $1 else 'only ' || $1 end`, s.name.SQL())
	return s, err
}

// copyRows copies the table: a small one, and one that cannot be copied in
// chunks, as one stream, else what is missing of it.
func (c *copier) copyRows(ctx context.Context, t *set.Table) error {
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
	chunks, err := c.inChunks(ctx, t, src)
	if err != nil {
		return err
	}
	if chunks {
		return c.copyChunks(ctx, t, src)
	}
	if err := c.chunks.streams.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.chunks.streams.Release(1)
	if err := c.calm(ctx, c.prov); err != nil {
		return err
	}
	return c.copyStream(ctx, t, src)
}

// copyStream copies the table in one transaction of the subscriber and one
// snapshot of the provider. A crash anywhere leaves the table as it was, with
// all its indexes, and in-copy.
func (c *copier) copyStream(ctx context.Context, t *set.Table, src *source) error {
	c.Logger().Info("Starting full copy", "table", c.name.String())
	begin := time.Now()
	to := set.State{Phase: set.CatchingUp}
	var copied int64
	if err := c.expect(ctx, src); err != nil {
		return err
	}
	err := c.fence.Write(ctx, c.sub, failpoint.CopyData, func(tx pgx.Tx) error {
		if err := set.BeginDDL(ctx, tx, c.Pair); err != nil {
			return err
		}
		frozen, err := c.clear(ctx, tx, t, src)
		if err != nil {
			return err
		}
		var snapshot string
		if copied, snapshot, err = c.transfer(ctx, tx, t, src, frozen); err != nil {
			return err
		}
		c.hold.moved.rows.Store(copied) // they were guessed on the way
		keys, err := set.PendingObjects(ctx, tx, c.Pair, t.Name, true)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := k.Build(ctx, tx, c.Pair, t.Dest); err != nil {
				return c.explainKey(t, err)
			}
		}
		if err := c.copied(ctx, tx, snapshot); err != nil {
			return err
		}
		return c.move(ctx, tx, t.State, to)
	})
	if errors.Is(err, set.ErrMoved) {
		c.Logger().Info("Copy dropped: the table's state was changed", "table", c.name.String())
		return nil
	}
	if err != nil {
		return err
	}
	c.Logger().Info("Copy finished", "table", c.name.String(), "rows", copied,
		"duration", time.Since(begin).Round(time.Millisecond))
	c.moved(to)
	return nil
}

// expect begins the figures of a copy in one stream, of which nothing else is
// seen before it is done.
func (c *copier) expect(ctx context.Context, src *source) error {
	size, err := transfer.ReadStorage(ctx, c.prov, src.name)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	c.hold.moved.start(0, 0)
	return c.writeLedger(ctx, c.sub, func(tx pgx.Tx) error {
		var l ledger
		if err := l.read(ctx, tx, c.Pair, c.name); err != nil {
			return err
		}
		l.lines = nil // of chunks: the stream empties the table
		if err := l.reset(ctx, tx, c.Pair, c.name); err != nil {
			return err
		}
		return l.next(ctx, tx, c.Pair, c.name, size)
	})
}

// buildKeys builds what tells rows apart, where it was dropped.
func (c *copier) buildKeys(ctx context.Context, t *set.Table) error {
	return set.RebuildObjects(ctx, c.sub, c.Pair, t.Name, t.Dest, true, c.write(ctx))
}

// copied writes down what the copy saw, and how much that was.
func (c *copier) copied(ctx context.Context, tx pgx.Tx, snapshot string) error {
	_, err := tx.Exec(ctx, `update londiste.table_info set custom_snapshot = $3
		where queue_name = $1 and table_name = $2`, c.Queue, c.name.String(), snapshot)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update skytools.copy_table
		set finished_at = clock_timestamp(), rows_copied = $3, bytes_copied = $4
		where queue_name = $1 and table_name = $2`,
		c.Queue, c.name.String(), c.hold.moved.rows.Load(), c.hold.moved.bytes.Load())
	return err
}

func (c *copier) explainKey(t *set.Table, err error) error {
	if t.SkipTruncate() {
		return hint.With(err, "the table had rows of its own (--skip-truncate): remove those that the provider has as well")
	}
	return err
}

// clear locks the table, empties it, and drops its indexes. A partitioned
// table is emptied with its partitions, which keep their indexes: those of the
// parent cannot be made again from the parent alone. It tells whether the rows
// that follow may be written frozen.
func (c *copier) clear(ctx context.Context, tx pgx.Tx, t *set.Table, src *source) (frozen bool, err error) {
	ours, err := transfer.ReadStorage(ctx, tx, t.Dest)
	if err != nil {
		return false, err
	}
	only := "only "
	if ours.Partitioned() {
		only = ""
	}
	if _, err := tx.Exec(ctx, "lock table "+only+t.Dest.SQL()+" in access exclusive mode"); err != nil {
		return false, err
	}
	if !t.SkipTruncate() {
		if err := set.Unshared(ctx, tx, c.Queue, *t, "its copy"); err != nil {
			return false, err
		}
		if _, err := tx.Exec(ctx, "truncate "+only+t.Dest.SQL()); err != nil {
			return false, err
		}
	}
	if ours.Partitioned() {
		return false, nil
	}
	return !t.SkipTruncate(), set.DropObjects(ctx, tx, c.Pair, t, src.key)
}

// transfer pipes the rows from one server to the other and returns their
// number and the snapshot that they were read in.
func (c *copier) transfer(ctx context.Context, tx pgx.Tx, t *set.Table, src *source, frozen bool) (int64, string, error) {
	read, err := c.prov.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	defer read.Rollback(context.WithoutCancel(ctx))
	if err := c.lockSource(ctx, read, src); err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	var snapshot string
	if err := read.QueryRow(ctx, `select txid_current_snapshot()::text`).Scan(&snapshot); err != nil {
		return 0, "", fmt.Errorf("provider: %w", err)
	}
	plan, err := transfer.NewPlan(ctx, read, src.name, tx, t.Dest)
	if err != nil {
		return 0, "", err
	}
	n, err := transfer.Pipe{From: read.Conn(), To: tx.Conn(), Meter: c.meter}.Run(ctx, plan.Out(), plan.In(frozen))
	return n, snapshot, err
}

// lockSource keeps the table from being rewritten until read ends: a snapshot
// taken before shows no row of one that ALTER TABLE has written anew. None of
// the statements takes a snapshot.
func (c *copier) lockSource(ctx context.Context, read pgx.Tx, src *source) error {
	for _, sql := range []string{
		set.PinnedPath,
		"set local idle_in_transaction_session_timeout = 0",
		fmt.Sprintf("set local lock_timeout = '%dms'", c.LockWait().Milliseconds()),
		"set local row_security = off", // rows hidden by a policy would be missing in silence
		"lock table " + src.rows + " in access share mode",
	} {
		if _, err := read.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
