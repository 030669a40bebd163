package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// copying is the worker's hold on one table's copier.
type copying struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the copier has ended
	wake   chan struct{} // poked when the worker has moved the table
	phase  atomic.Int32  // Phase that the copier is at
	moved  moved
	speed  speed // the worker's, of what has moved
}

// startCopier starts the goroutine that brings a table from wherever it
// stands to ok. It ends by itself there, or when the table is gone.
func (r *run) startCopier(ctx context.Context, t *set.Table) {
	ctx, cancel := context.WithCancel(ctx)
	h := &copying{cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	h.phase.Store(int32(t.State.Phase))
	c := &copier{
		Pair: &r.Pair, fence: r.fence, me: r.me, name: t.Name, consumer: r.CopyConsumer(t.Name),
		hold: h, bell: r.bell, at: &r.at, merge: r.mergeEvents(), budget: r.fetchAhead() / 4,
		noReplica: r.noReplica, fkeys: r.fkeys, chunks: r.chunks,
		changed: func() {
			r.dirty.Store(true)
			r.ring()
		},
	}
	r.copies[t.Name] = h
	go func() {
		defer close(h.done)
		defer cancel()
		c.run(ctx)
		c.changed()
	}()
}

// stopCopies ends all copiers; what they were doing is taken up again by the
// next ones.
func (r *run) stopCopies() {
	for _, c := range r.copies {
		c.cancel()
	}
	for name, c := range r.copies {
		<-c.done
		delete(r.copies, name)
	}
}

// copier takes one table through its copy, over connections of its own. Each
// step begins from what the database says, so a restart needs no more than
// that.
type copier struct {
	*set.Pair
	fence    set.Fence
	me       set.Identity
	name     ident.Name
	consumer string // of the copy
	hold     *copying
	bell     *bell
	at       *atomic.Int64 // the worker's position
	merge    int64
	budget   int64
	// noReplica: session_replication_role was refused already
	noReplica bool
	fkeys     *semaphore.Weighted // shared by all copiers, see DropFkeys
	chunks    chunking
	changed   func() // the table's state is another now

	sub, prov *pgx.Conn
	reader    *pgq.Reader
	ackedAt   time.Time
	failing   bool
	claimed   bool             // the consumer, with the lease's epoch
	parked    *set.ParkedTable // the table is being retried
	free      bool             // of its foreign keys, where they would act
}

var errCopyEnds = errors.New("nothing more to do for the table")

func (c *copier) run(ctx context.Context) {
	c.bell.subscribe(c.hold.wake) // a tick is as good a reason to look as the worker's poke
	defer c.bell.unsubscribe(c.hold.wake)
	defer c.close()
	err := (&loop.Loop{
		Idle: 500 * time.Millisecond, MaxBackoff: maxBackoff, Wake: c.hold.wake, OnError: c.failed,
	}).Run(ctx, c.step)
	if err != nil && !errors.Is(err, errCopyEnds) {
		c.Logger().Error("Copy given up", "table", c.name.String(), "error", err)
	}
}

func (c *copier) failed(err error, next time.Duration) {
	args := []any{"table", c.name.String(), "error", err, "retry_in", next.Round(time.Millisecond)}
	if h := hint.Of(err); h != "" {
		args = append(args, "hint", h)
	}
	c.Logger().Error("copy stopped", args...)
}

func (c *copier) close() {
	set.CloseConn(&c.sub)
	set.CloseConn(&c.prov)
	c.reader = nil
}

// step does what the table's state asks for.
func (c *copier) step(ctx context.Context) (more bool, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			if again, e := c.parkAgain(ctx, err); again || e != nil {
				err = cmp.Or(e, errCopyEnds)
			}
			err = c.broken(ctx, err)
		}
	}()
	if err := c.open(ctx); err != nil {
		return false, err
	}
	t, found, err := set.OneTable(ctx, c.sub, c.Queue, c.name)
	if err != nil {
		return false, err
	}
	if !found || !t.Local {
		return false, loop.Permanent(errCopyEnds)
	}
	if err := c.isParked(ctx, &t); err != nil {
		return false, err
	}
	if t.Part, err = set.ReadPart(ctx, c.sub, c.Queue, c.name); err != nil {
		return false, err
	}
	c.hold.phase.Store(int32(t.State.Phase))
	switch t.State.Phase {
	case set.None:
		return c.prepare(ctx, &t)
	case set.InCopy:
		return true, c.copyRows(ctx, &t)
	case set.CatchingUp:
		if t.Part.Pending() {
			return true, c.copyPart(ctx, &t)
		}
		return c.catchUp(ctx, &t)
	case set.DoSync:
		return true, c.reach(ctx, &t)
	case set.OK:
		if err := unregister(ctx, c.prov, c.Queue, c.consumer); err != nil {
			return false, err
		}
		return false, loop.Permanent(errCopyEnds)
	}
	return false, nil // wanna-sync: the worker's turn
}

// broken writes the error where `status` finds it and drops the connections.
func (c *copier) broken(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errCopyEnds):
		return loop.Permanent(err)
	case errors.Is(err, set.ErrFenced):
		return loop.Permanent(err)
	case c.sub != nil && !c.sub.IsClosed():
		text := fmt.Sprintf("table %s: %s", c.name, errorText(err))
		if e := set.WriteError(ctx, c.sub, c.fence, c.consumer, text, hint.Of(err)); e == nil {
			c.failing = true
		}
	}
	c.close()
	return fmt.Errorf("copy of table %s: %w", c.name, err)
}

func (c *copier) open(ctx context.Context) error {
	if c.sub == nil {
		conn, err := c.ConnectSubscriber(ctx)
		if err != nil {
			return err
		}
		c.sub = conn
		if _, err := set.PrepareSubscriber(ctx, conn, !c.noReplica); err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
	}
	if c.prov == nil {
		conn, err := c.ConnectProvider(ctx)
		if err != nil {
			return err
		}
		c.prov, c.reader = conn, pgq.NewReader(conn, c.Queue)
		if err := set.PrepareProvider(ctx, conn); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
	}
	return nil
}

func (c *copier) write(ctx context.Context) set.Writer {
	return func(p failpoint.Point, fn func(tx pgx.Tx) error) error {
		return c.fence.Write(ctx, c.sub, p, fn)
	}
}

// move changes the table's state inside a transaction; ErrMoved if it is not
// what the copier thinks.
func (c *copier) move(ctx context.Context, tx pgx.Tx, from, to set.State) error {
	return set.MoveTable(ctx, tx, c.Queue, c.name, set.Copier, from, to)
}

// moved logs a change of state and tells the worker.
func (c *copier) moved(to set.State) {
	c.Logger().Info("Table state changed", "table", c.name.String(), "state", to.String())
	c.hold.phase.Store(int32(to.Phase))
	c.changed()
}

// unregister removes a consumer and its claim from the provider. One that is
// not there is no error.
func unregister(ctx context.Context, conn *pgx.Conn, queue, consumer string) error {
	err := failpoint.Commit(failpoint.CopyFinish, func() error {
		_, err := conn.Exec(ctx, `select pgq.unregister_consumer($1, $2), skytools.unclaim($1, $2)`, queue, consumer)
		return err
	})
	if err != nil {
		return fmt.Errorf("unregister consumer %s at the provider: %w", consumer, err)
	}
	return nil
}

// prepare takes a table that waits for a copy into it: foreign keys saved and
// dropped, a consumer of the copy's own registered at the provider's last
// tick. A crash on the way leaves foreign keys on their list and a consumer
// that the next attempt, or the sweep, removes.
func (c *copier) prepare(ctx context.Context, t *set.Table) (bool, error) {
	src, err := c.source(ctx)
	if err != nil {
		return false, err
	}
	if src == nil {
		return false, hint.With(fmt.Errorf("table %s is not attached to queue %s at the provider", c.name, c.Queue),
			"provider add %s", c.name)
	}
	if err := c.dropFkeys(ctx, t.Dest); err != nil {
		return false, err
	}
	// A consumer left from an attempt before may stand at a tick that is gone.
	if err := unregister(ctx, c.prov, c.Queue, c.consumer); err != nil {
		return false, err
	}
	t0, err := set.Register(ctx, c.prov, c.Queue, c.consumer, failpoint.CopyStart)
	if err != nil {
		return false, err
	}
	c.claimed = false
	if err := c.claim(ctx); err != nil {
		return false, err
	}
	to := set.State{Phase: set.InCopy}
	err = c.fence.Write(ctx, c.sub, failpoint.CopyStart, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
			values ($1, $2, $3, $4)
			on conflict (queue_name, consumer_name) do update
			set last_tick_id = excluded.last_tick_id, cur_error = null`,
			c.Queue, c.consumer, set.RootNode, int64(t0))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update londiste.table_info set custom_snapshot = null
			where queue_name = $1 and table_name = $2`, c.Queue, c.name.String())
		if err != nil {
			return err
		}
		// Waits for a chunk of an earlier copy that is being committed still.
		_, err = tx.Exec(ctx, `delete from skytools.copy_table where queue_name = $1 and table_name = $2`,
			c.Queue, c.name.String())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into skytools.copy_table (queue_name, table_name) values ($1, $2)`,
			c.Queue, c.name.String())
		if err != nil {
			return err
		}
		return c.move(ctx, tx, t.State, to)
	})
	if errors.Is(err, set.ErrMoved) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	c.moved(to)
	return true, nil
}

// dropFkeys saves and drops the foreign keys to and from a table.
func (c *copier) dropFkeys(ctx context.Context, table ident.Name) error {
	err := set.DropFkeys(ctx, c.Pair, c.fkeys, c.write(ctx), `to_regclass($1) in (c.conrelid, c.confrelid)`, table.SQL())
	if err != nil {
		return fmt.Errorf("drop foreign keys of %s: %w", table, err)
	}
	return nil
}
