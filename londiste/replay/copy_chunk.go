package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/transfer"
	"github.com/skytools-go/skytools/londiste/set"
)

// attempt copies what the ledger says is missing of a table, chunk by chunk,
// over several connections that read by one snapshot.
//
//	attempt 1   no key, no other rows: COPY straight in   chunks 1 2 3 done, 4 not; crash
//	attempt 2   key is built first, chunk 4 by way of staging, on conflict do nothing
//
// Whichever of two rows of a key stays is right: rows that differ between two
// snapshots have an event after T0, which is replayed. A row that some other
// unique constraint keeps out conflicts with a row of another snapshot, so
// both have events and it comes with its own. What has no events breaks this:
// a rewrite of the provider's table gives it another file, and its chunks are
// void; a table with changes that are not told is not copied in chunks.
type attempt struct {
	*copier
	table *set.Table
	src   *source
	plan  transfer.Plan
	file  uint32 // of the provider's rows, before the snapshot
	ours  uint32 // of the subscriber's
	snap  *transfer.Snapshot
	ledger
	merge bool // rows of another snapshot are there
}

// errRewritten: the provider's table has another file than when the attempt
// began, and the snapshot may not see its rows; or the subscriber's has, and
// chunks that the ledger knows may be gone from it.
var errRewritten = errors.New("the table was rewritten, truncated or made anew")

// inChunks tells whether a table can be and is to be copied in chunks.
func (c *copier) inChunks(ctx context.Context, t *set.Table, src *source) (bool, error) {
	theirs, err := transfer.ReadStorage(ctx, c.prov, src.name)
	if err != nil {
		return false, fmt.Errorf("provider: %w", err)
	}
	ours, err := transfer.ReadStorage(ctx, c.sub, t.Dest)
	if err != nil {
		return false, fmt.Errorf("subscriber: %w", err)
	}
	// Before 14 a range of ctid is a scan of the whole table. An unlogged table
	// may be empty after a crash while the ledger is not.
	if theirs.Version < 14 || theirs.Kind != "r" || !theirs.Heap || theirs.Unlogged ||
		ours.Kind != "r" || ours.Unlogged || !ours.Staging || !src.told || t.SkipTruncate() {
		return false, nil
	}
	begun, err := c.inLedger(ctx)
	if err != nil || begun {
		return begun, err
	}
	if theirs.Bytes <= c.chunks.stream {
		return false, nil
	}
	all, err := set.TableObjects(ctx, c.sub, t.Dest, src.key)
	return set.IsKeyed(all) || len(all) == 0, err
}

// inLedger tells whether chunks of the table are there.
func (c *copier) inLedger(ctx context.Context) (bool, error) {
	return set.One[bool](ctx, c.sub, `select exists (select from skytools.copy_chunk
		where queue_name = $1 and table_name = $2 and attempt is not null)`, c.Queue, c.name.String())
}

// copyChunks makes an attempt.
func (c *copier) copyChunks(ctx context.Context, t *set.Table, src *source) (err error) {
	a := &attempt{copier: c, table: t, src: src}
	a.plan, err = transfer.NewPlan(ctx, c.prov, src.name, c.sub, t.Dest)
	if err != nil {
		return err
	}
	if a.file, err = transfer.File(ctx, c.prov, src.name); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if a.snap, err = transfer.TakeSnapshot(ctx, c.prov); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	err = a.copyMissing(ctx)
	a.snap.Close(ctx)
	if err == nil {
		err = a.finish(ctx)
	}
	switch {
	case errors.Is(err, errRewritten):
		c.Logger().Info("The table was rewritten, truncated or made anew at one side: copying it anew", "table", c.name.String())
		return nil // the next attempt finds another file
	case errors.Is(err, set.ErrMoved):
		c.Logger().Info("Copy dropped: the table's state was changed", "table", c.name.String())
		return nil
	}
	return err
}

func (a *attempt) copyMissing(ctx context.Context) error {
	if err := a.begin(ctx); err != nil {
		return err
	}
	missing := a.missing()
	workers := min(a.chunks.workers, len(missing))
	a.Logger().Info("Copying in chunks", "table", a.name.String(), "attempt", a.ledger.attempt,
		"chunks", len(missing), "done", len(a.lines)-len(missing), "connections", workers)
	if a.merge && len(missing) > 0 {
		if err := a.needKey(ctx); err != nil {
			return err
		}
	}
	next := make(chan transfer.Chunk, len(missing))
	for _, c := range missing {
		next <- c
	}
	close(next)
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return a.work(ctx, next) })
	}
	return g.Wait()
}

// begin begins the attempt: it shuts out what an earlier one may still be
// committing, then reads or begins the ledger.
func (a *attempt) begin(ctx context.Context) error {
	// After the snapshot: what the snapshot sees lies within this size.
	size, err := transfer.ReadStorage(ctx, a.prov, a.src.name)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	return a.writeLedger(ctx, a.sub, func(tx pgx.Tx) error {
		if err := a.still(ctx, tx); err != nil {
			return err
		}
		if err := set.BeginDDL(ctx, tx, a.Pair); err != nil {
			return err
		}
		if err := a.ledger.read(ctx, tx, a.Pair, a.name); err != nil {
			return err
		}
		shape, err := a.readShape(ctx, tx)
		if err != nil {
			return err
		}
		barred, err := a.barred(ctx, tx)
		if err != nil {
			return err
		}
		if a.shape != shape || !a.begun() || barred {
			if _, err := a.clear(ctx, tx, a.table, a.src); err != nil {
				return err
			}
			if a.ledger.shape, err = a.readShape(ctx, tx); err != nil {
				return err
			}
			a.lines = newLines(transfer.Split(size.Bytes/size.Page, max(1, a.chunks.bytes/size.Page)))
			if err := a.ledger.reset(ctx, tx, a.Pair, a.name); err != nil {
				return err
			}
		}
		a.merge = a.begun()
		a.hold.moved.start(a.ledger.sums())
		return a.ledger.next(ctx, tx, a.Pair, a.name, size)
	})
}

// readShape is what chunks of several attempts must have in common.
func (a *attempt) readShape(ctx context.Context, tx pgx.Tx) (string, error) {
	var err error
	if a.ours, err = transfer.File(ctx, tx, a.table.Dest); err != nil {
		return "", fmt.Errorf("subscriber: %w", err)
	}
	return fmt.Sprintf("%d %d %v %s %s", a.file, a.ours, a.src.key, a.plan.Out(), a.plan.In(false)), nil
}

// barred tells whether an index beside the key would keep rows out, which
// `on conflict do nothing` would not tell from rows of another snapshot. The
// copy has dropped all; one may have been made since, or belong to a parent.
func (a *attempt) barred(ctx context.Context, tx pgx.Tx) (bool, error) {
	all, err := set.TableObjects(ctx, tx, a.table.Dest, a.src.key)
	return slices.ContainsFunc(all, func(o set.Object) bool { return o.Bars && !o.IsKey }), err
}

// keeps makes sure that the subscriber's table has kept its file: somebody may
// have emptied it, or made it anew with other types.
func (a *attempt) keeps(ctx context.Context, tx pgx.Tx) error {
	file, err := transfer.File(ctx, tx, a.table.Dest)
	if err == nil && file != a.ours {
		err = errRewritten
	}
	return err
}

// still makes sure that the table is in copy, and keeps it so until tx ends.
func (a *attempt) still(ctx context.Context, tx pgx.Tx) error {
	var there bool
	err := tx.QueryRow(ctx, `select true from londiste.table_info
		where queue_name = $1 and table_name = $2 and local and merge_state = $3 for share`,
		a.Queue, a.name.String(), set.State{Phase: set.InCopy}.Text()).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) {
		return set.ErrMoved
	}
	return err
}

// needKey builds the key, by which staged rows that are there are known.
func (a *attempt) needKey(ctx context.Context) error {
	if err := a.buildKeys(ctx, a.table); err != nil {
		return err
	}
	all, err := set.TableObjects(ctx, a.sub, a.table.Dest, a.src.key)
	if err == nil && !set.IsKeyed(all) {
		err = fmt.Errorf("table %s has no unique key on (%s) at the subscriber", a.table.Dest, set.JoinQuoted(a.src.key))
	}
	return err
}

// work copies chunks over connections of its own until there are none.
func (a *attempt) work(ctx context.Context, next <-chan transfer.Chunk) error {
	prov, err := a.ConnectProvider(ctx)
	if err != nil {
		return err
	}
	defer set.CloseConn(&prov)
	if err := set.PrepareProvider(ctx, prov); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	sub, err := a.ConnectSubscriber(ctx)
	if err != nil {
		return err
	}
	defer set.CloseConn(&sub)
	if _, err := set.PrepareSubscriber(ctx, sub, !a.noReplica); err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	for chunk := range next {
		if err := a.chunks.streams.Acquire(ctx, 1); err != nil {
			return err
		}
		err := a.calm(ctx, prov)
		if err == nil {
			err = a.chunk(ctx, prov, sub, chunk)
		}
		a.chunks.streams.Release(1)
		if err != nil {
			return err
		}
	}
	return nil
}

// chunk brings the rows of one chunk and its line of the ledger in one
// transaction, after a small one that counts the try.
func (a *attempt) chunk(ctx context.Context, prov, sub *pgx.Conn, chunk transfer.Chunk) error {
	err := a.writeLedger(ctx, sub, func(tx pgx.Tx) error {
		return a.ledger.begin(ctx, tx, a.Pair, a.name, chunk)
	})
	if err != nil {
		return err
	}
	return a.fence.Write(ctx, sub, failpoint.CopyChunk, func(tx pgx.Tx) error {
		if err := a.ledger.keep(ctx, tx, a.Pair, a.name); err != nil {
			return err
		}
		var rows, guess, bytes int64
		pipe := transfer.Pipe{From: prov, To: sub, Meter: func(ctx context.Context, r, b int64) error {
			guess, bytes = guess+r, bytes+b
			return a.meter(ctx, r, b)
		}}
		err := a.snap.Read(ctx, prov, a.src.name, a.LockWait(), func(read pgx.Tx) error {
			file, err := transfer.File(ctx, read, a.src.name)
			if err != nil {
				return fmt.Errorf("provider: %w", err)
			}
			if file != a.file {
				return errRewritten
			}
			if a.merge {
				rows, err = a.plan.Merge(ctx, pipe, tx, a.plan.OutChunk(chunk))
			} else {
				rows, err = pipe.Run(ctx, a.plan.OutChunk(chunk), a.plan.In(false))
			}
			return err
		})
		if err != nil {
			return err
		}
		a.hold.moved.rows.Add(rows - guess)
		if err := a.keeps(ctx, tx); err != nil { // the rows' lock holds it
			return err
		}
		return a.ledger.done(ctx, tx, a.Pair, a.name, chunk, rows, bytes)
	})
}

// finish builds the key and hands the table to its catching-up.
func (a *attempt) finish(ctx context.Context) error {
	if err := a.buildKeys(ctx, a.table); err != nil {
		return err
	}
	err := a.change(ctx, a.table.State, set.State{Phase: set.CatchingUp}, func(tx pgx.Tx) error {
		if err := a.keeps(ctx, tx); err != nil {
			return err
		}
		return a.copied(ctx, tx, a.snap.Text)
	})
	if err == nil {
		a.Logger().Info("Copy finished", "table", a.name.String(), "rows", a.hold.moved.rows.Load(),
			"attempts", a.ledger.attempt)
	}
	return err
}
