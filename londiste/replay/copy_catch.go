package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// catchUp applies the table's next batch. Where there is none left the table
// wants to join the others. Before that its indexes come back, at the first
// tick that sees all that the copy saw.
func (c *copier) catchUp(ctx context.Context, t *set.Table) (more bool, err error) {
	pos, ok, err := c.position(ctx, t)
	if err != nil || !ok {
		return ok, err
	}
	seen, err := c.copySnapshot(ctx)
	if err != nil {
		return false, err
	}
	exact, err := c.lossy(ctx, seen)
	if err != nil {
		return false, err
	}
	cur, found, err := c.reader.Next(ctx, pos, c.merge)
	if err != nil {
		return false, fmt.Errorf("provider: %w", err)
	}
	if !found && seen != nil {
		return false, c.askForTick(ctx, pos)
	}
	if found {
		if err := c.apply(ctx, batchOf{table: t, prev: pos, cur: cur, seen: seen, exact: exact}); err != nil {
			return false, err
		}
		pos = cur
	}
	if seen != nil {
		if !pos.Snapshot.Covers(*seen) {
			return true, nil
		}
		return true, c.complete(ctx, t)
	}
	// Under steady load there is always one tick more: past the worker is
	// caught up as well.
	if found && int64(pos.ID) < c.at.Load() {
		return true, nil
	}
	to := set.State{Phase: set.WannaSync, Tick: pos.ID}
	return true, c.change(ctx, t.State, to, nil)
}

// reach applies the table's events up to the worker's position, exactly, and
// hands the table over. The worker waits for it.
func (c *copier) reach(ctx context.Context, t *set.Table) error {
	pos, ok, err := c.position(ctx, t)
	if err != nil || !ok {
		return err
	}
	for pos.ID < t.State.Tick {
		cur, found, err := c.reader.NextUpTo(ctx, pos, c.merge, t.State.Tick)
		if err != nil {
			return fmt.Errorf("provider: %w", err)
		}
		if !found {
			return fmt.Errorf("no tick after %d although the worker is at %d", pos.ID, t.State.Tick)
		}
		if err := c.apply(ctx, batchOf{table: t, prev: pos, cur: cur}); err != nil {
			return err
		}
		pos = cur
	}
	if pos.ID > t.State.Tick {
		return fmt.Errorf("the copy is at tick %d already, past the worker's %d", pos.ID, t.State.Tick)
	}
	t.Attrs.Del("skip_truncate")
	return c.change(ctx, t.State, set.State{Phase: set.OK}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update londiste.table_info
			set table_attrs = nullif($3, ''), custom_snapshot = null
			where queue_name = $1 and table_name = $2`, c.Queue, c.name.String(), t.Attrs.Encode())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2`,
			c.Queue, c.consumer)
		if err != nil {
			return err
		}
		return set.Unpark(ctx, tx, c.Queue, c.name, false)
	})
}

// change moves the table to a state, with more in the same transaction. That
// somebody else moved it first is no error: the next step sees where to.
func (c *copier) change(ctx context.Context, from, to set.State, more func(tx pgx.Tx) error) error {
	err := c.fence.MoveTables(ctx, c.sub, func(tx pgx.Tx) error {
		if err := c.move(ctx, tx, from, to); err != nil || more == nil {
			return err
		}
		return more(tx)
	})
	if errors.Is(err, set.ErrMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	c.moved(to)
	return nil
}

// position is where the table's own events go on. False: the provider knows
// of no such place any more and the table has been sent to the start.
func (c *copier) position(ctx context.Context, t *set.Table) (pgq.Tick, bool, error) {
	here, known, err := set.PositionOf(ctx, c.sub, c.Queue, c.consumer)
	if err != nil {
		return pgq.Tick{}, false, err
	}
	there, registered, err := set.ConsumerAt(ctx, c.prov, c.Queue, c.consumer)
	if err != nil {
		return pgq.Tick{}, false, err
	}
	if known && registered && here >= there {
		if err := c.claim(ctx); err != nil {
			return pgq.Tick{}, false, err
		}
		tick, err := c.reader.Tick(ctx, here)
		if err == nil {
			return tick, true, nil
		}
		if !errors.Is(err, pgq.ErrTickNotFound) {
			return pgq.Tick{}, false, err
		}
	}
	return pgq.Tick{}, false, c.lostPlace(ctx, t, here, known)
}

// copySnapshot is what the copy saw, while indexes are still missing; else
// nil.
func (c *copier) copySnapshot(ctx context.Context) (*pgq.Snapshot, error) {
	var text *string
	err := c.sub.QueryRow(ctx, `select custom_snapshot from londiste.table_info
		where queue_name = $1 and table_name = $2`, c.Queue, c.name.String()).Scan(&text)
	if err != nil || text == nil {
		return nil, err
	}
	s, err := pgq.ParseSnapshot(*text)
	if err != nil {
		return nil, fmt.Errorf("custom_snapshot: %w", err)
	}
	return &s, nil
}

// lossy tells whether the provider may have lost rows of which events tell that
// the copy has seen: a crash empties an unlogged table, and its events since the
// last tick would bring rows back. Such a copy is one stream, of one snapshot.
func (c *copier) lossy(ctx context.Context, seen *pgq.Snapshot) (bool, error) {
	if seen == nil {
		return false, nil
	}
	t, found, err := set.OneTable(ctx, c.prov, c.Queue, c.name)
	if err != nil || !found {
		return false, err
	}
	unlogged, err := set.Unlogged(ctx, c.prov, t.Dest)
	if err != nil || !unlogged {
		return false, err
	}
	begun, err := c.inLedger(ctx) // in chunks, and set unlogged since
	return !begun, err
}

// claim makes the consumer this worker's, once: one before it may have registered it.
func (c *copier) claim(ctx context.Context) error {
	if c.claimed {
		return nil
	}
	_, err := set.Claim(ctx, c.prov, c.Pair, c.consumer, c.me, c.fence.Epoch, false)
	c.claimed = err == nil
	return err
}

func (c *copier) askForTick(ctx context.Context, last pgq.Tick) error {
	return askForTick(ctx, c.prov, c.Queue, last, c.bell)
}

// askForTick has a tick made although nothing may have happened: the table
// waits for one made after its rows were read. A queue that may not be ticked from here
// (paused, ticked from elsewhere) gets one from its own ticker.
func askForTick(ctx context.Context, prov *pgx.Conn, queue string, last pgq.Tick, b *bell) error {
	var id *int64
	err := failpoint.Commit(failpoint.Tick, func() error {
		return prov.QueryRow(ctx, `select skytools.tick($1, $2)`, queue, int64(last.ID)).Scan(&id)
	})
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if id != nil {
		b.ring() // no ticker tells of this one
	}
	return nil
}

// complete builds the indexes and lets the planner know of the rows.
func (c *copier) complete(ctx context.Context, t *set.Table) error {
	if err := c.buildSideBySide(ctx, t); err != nil {
		return err
	}
	if err := set.RebuildObjects(ctx, c.sub, c.Pair, t.Name, t.Dest, false, c.write(ctx)); err != nil {
		return err
	}
	return set.SettleTable(ctx, c.Pair, t, c.write(ctx))
}

// buildSideBySide builds over several connections what can be built so. Few
// cores are better used by one index at a time, whose build has workers too.
func (c *copier) buildSideBySide(ctx context.Context, t *set.Table) error {
	list, err := set.PendingObjects(ctx, c.sub, c.Pair, t.Name, false)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, set.Pending.Alone)
	if c.chunks.builders < 2 || len(list) < 2 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.chunks.builders)
	for _, o := range list {
		g.Go(func() error {
			conn, err := c.ConnectSubscriber(ctx)
			if err != nil {
				return err
			}
			defer set.CloseConn(&conn)
			if _, err := set.PrepareSubscriber(ctx, conn, !c.noReplica); err != nil {
				return fmt.Errorf("subscriber: %w", err)
			}
			return o.Rebuild(ctx, c.Pair, t.Dest, func(p failpoint.Point, fn func(tx pgx.Tx) error) error {
				return c.fence.Write(ctx, conn, p, fn)
			})
		})
	}
	return g.Wait()
}

// apply applies the table's events of one batch and moves the copy's position
// with them.
func (c *copier) apply(ctx context.Context, e batchOf) error {
	err := c.fence.Write(ctx, c.sub, failpoint.CopyCatch, func(tx pgx.Tx) error {
		return c.events(ctx, tx, e)
	})
	if err != nil {
		return err
	}
	if time.Since(c.ackedAt) < time.Second {
		return nil
	}
	return c.ack(ctx, e.cur)
}

func (c *copier) ack(ctx context.Context, at pgq.Tick) error {
	c.ackedAt = time.Now()
	return set.Ack(ctx, c.prov, c.Queue, c.consumer, at.ID, c.fence.Epoch)
}

// batchOf is a batch of one table's own events.
type batchOf struct {
	table     *set.Table
	prev, cur pgq.Tick
	seen      *pgq.Snapshot               // by the copy; nil: no more than prev
	exact     bool                        // no event of what it has seen may come again
	alive     func(context.Context) error // called now and then; may be nil
}

// events applies a batch by the transaction tx. Of a table without a key the copy
// has what it has seen, and no event may tell it again, nor of one that a crash may
// have emptied; of other tables an event may come twice.
func (c *copier) events(ctx context.Context, tx pgx.Tx, e batchOf) error {
	g := newRegistry(c.Queue, e.table.State.Phase)
	g.only = c.name
	if err := g.load(ctx, tx); err != nil {
		return err
	}
	pass, err := set.PassedOver(ctx, tx, c.Queue, c.name)
	if err != nil {
		return err
	}
	over := func(ev apply.Event) bool {
		return pass[ev.ID] || e.seen != nil && e.seen.Sees(pgq.TxID(ev.Tx)) && (e.exact || ev.Whole())
	}
	f := &fetcher{reader: c.reader, budget: c.budget}
	stop := f.startOne(ctx, e.prev, e.cur)
	defer stop()
	a := apply.New(g, apply.Options{CatchUp: true})
	res, err := a.Transaction(ctx, tx, func() error { return feed(ctx, a, f, over, e.alive) })
	if err != nil {
		return g.explain(err)
	}
	b := &pgx.Batch{}
	b.Queue(set.MoveStateSQL, c.Queue, c.consumer, int64(e.cur.ID))
	queueCounters(b, c.Pair, c.consumer, only(res, c.name))
	return tx.SendBatch(ctx, b).Close()
}

// feed gives all events of one batch to an applier, but for those to pass over.
func feed(ctx context.Context, a *apply.Applier, f *fetcher, over func(apply.Event) bool, alive func(context.Context) error) error {
	for {
		select {
		case p := <-f.parts:
			if p.err != nil {
				return fmt.Errorf("provider: %w", p.err)
			}
			for _, ev := range p.events {
				take := a.Event
				if over(ev) {
					take = func(_ context.Context, ev apply.Event) error { return a.Pass(ev) }
				}
				if err := take(ctx, ev); err != nil && !errors.Is(err, apply.ErrUnhandled) {
					return err
				}
			}
			f.free(p)
			if p.last {
				return nil
			}
			if alive != nil {
				if err := alive(ctx); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// startOne reads one batch alone, over a connection that stays the caller's.
func (f *fetcher) startOne(ctx context.Context, prev, cur pgq.Tick) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	f.init()
	f.done.Go(func() {
		if err := f.stream(ctx, prev, cur); err != nil && ctx.Err() == nil {
			_ = f.send(ctx, part{err: err})
		}
	})
	return func() {
		cancel()
		f.done.Wait()
	}
}

// only keeps the counters of one table: what a copier reads of others is no
// business of the sums.
func only(res apply.Result, name ident.Name) apply.Result {
	c, had := res.Tables[name]
	if !had {
		return apply.Result{}
	}
	return apply.Result{Tables: map[ident.Name]apply.Counts{name: c}, Total: c}
}
