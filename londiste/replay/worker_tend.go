package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

const (
	// sweepPause is between two looks for what nobody needs any more.
	sweepPause = time.Minute
	// syncPatience is how long the worker stands still for a copy that is to
	// reach its position.
	syncPatience = 15 * time.Second
)

// tend looks after registrations and copies: at once when something in this
// process changed them, else once a second.
func (r *run) tend(ctx context.Context) error {
	if !r.dirty.Swap(false) && time.Since(r.tendedAt) < time.Second {
		return nil
	}
	r.tendedAt = time.Now()
	r.at.Store(int64(r.position.ID))
	if err := r.landed(ctx); err != nil {
		return err
	}
	if err := r.tendExports(ctx); err != nil {
		return err
	}
	changed, err := r.tables.refresh(ctx, r.sub)
	if err != nil {
		return err
	}
	aside, err := r.setAside(ctx)
	if err != nil {
		return err
	}
	changed = changed || aside
	ended := r.reap()
	if err := r.noteProgress(ctx); err != nil {
		return err
	}
	if !changed && !ended && len(r.tables.in(set.None, set.InCopy, set.CatchingUp, set.WannaSync, set.DoSync)) == 0 {
		return nil
	}
	if err := r.handOver(ctx); err != nil {
		return err
	}
	if err := r.tendParked(ctx); err != nil {
		return err
	}
	r.startCopies(ctx)
	if !changed && !ended { // a key that cannot be restored waits for sweep
		return nil
	}
	return set.RestoreFkeys(ctx, r.sub, &r.Pair, r.writer(ctx))
}

func (r *run) writer(ctx context.Context) set.Writer {
	return func(p failpoint.Point, fn func(tx pgx.Tx) error) error {
		return r.fence.Write(ctx, r.sub, p, fn)
	}
}

// reap takes ended copiers off the list, and ends those whose table is gone
// or was sent back to the start by a command.
func (r *run) reap() (ended bool) {
	for name, c := range r.copies {
		t := r.tables.byName[name]
		reset := t != nil && t.State.Phase == set.None && set.Phase(c.phase.Load()) != set.None
		if t == nil || !t.Local || reset {
			c.cancel()
			<-c.done
		}
		select {
		case <-c.done:
			delete(r.copies, name)
			ended = true
		default:
		}
	}
	return ended
}

// startCopies gives a copier to each table that needs one. Copies begun
// before a restart come first and all at once; new ones as there is room.
func (r *run) startCopies(ctx context.Context) {
	for _, t := range r.tables.in(set.InCopy, set.CatchingUp, set.WannaSync, set.DoSync) {
		if r.copies[t.Name] == nil && !t.Aside() {
			r.startCopier(ctx, t)
		}
	}
	for _, t := range r.tables.in(set.None) {
		if r.copies[t.Name] == nil && !t.Aside() && len(r.copies) < r.parallelCopies() {
			r.startCopier(ctx, t)
		}
	}
}

// handOver lets tables that have caught up join the others: the worker marks
// them with its position and stands still until they have reached it.
func (r *run) handOver(ctx context.Context) error {
	var ready []*set.Table
	for _, t := range r.tables.in(set.WannaSync) {
		if t.State.Tick <= r.position.ID {
			ready = append(ready, t)
		}
	}
	if len(ready) > 0 {
		if err := r.mark(ctx, ready); err != nil {
			return err
		}
	}
	if len(r.tables.in(set.DoSync)) == 0 {
		return nil
	}
	return r.standStill(ctx)
}

// mark moves tables to do-sync at the position, which becomes durable with it.
func (r *run) mark(ctx context.Context, ready []*set.Table) error {
	to := set.State{Phase: set.DoSync, Tick: r.position.ID}
	err := r.fence.MoveTables(ctx, r.sub, func(tx pgx.Tx) error {
		for _, t := range ready {
			err := set.MoveTable(ctx, tx, r.Queue, t.Name, set.Main, t.State, to)
			if err != nil && !errors.Is(err, set.ErrMoved) {
				return err
			}
		}
		b := &pgx.Batch{}
		b.Queue(set.MoveStateSQL, r.Queue, r.ConsumerName(), int64(r.position.ID))
		b.Queue(set.MoveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return err
	}
	for _, t := range ready {
		r.Logger().Info("Table state changed", "table", t.Name.String(), "state", to.String())
	}
	_, err = r.tables.refresh(ctx, r.sub)
	return err
}

// standStill waits until no table is in do-sync. One that takes too long, or
// waits at another tick than the worker's, goes back to catching up.
func (r *run) standStill(ctx context.Context) error {
	deadline := time.Now().Add(syncPatience)
	for {
		waiting := r.tables.in(set.DoSync)
		if len(waiting) == 0 {
			return nil
		}
		late := time.Now().After(deadline)
		for _, t := range waiting {
			if t.State.Tick == r.position.ID && !late {
				r.prod(ctx, t)
				continue
			}
			if err := r.sendBack(ctx, t); err != nil {
				return err
			}
		}
		select {
		case <-r.wake:
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.report(ctx); err != nil {
			return err
		}
		if _, err := r.tables.refresh(ctx, r.sub); err != nil {
			return err
		}
	}
}

// prod makes sure that a table's copier is at work.
func (r *run) prod(ctx context.Context, t *set.Table) {
	c := r.copies[t.Name]
	if c == nil {
		r.startCopier(ctx, t)
		return
	}
	select {
	case <-c.done:
		r.startCopier(ctx, t)
	default:
		poke(c.wake)
	}
}

func (r *run) sendBack(ctx context.Context, t *set.Table) error {
	to := set.State{Phase: set.CatchingUp}
	r.Logger().Warn("Copy does not reach the worker's position: it has to catch up again",
		"table", t.Name.String(), "state", t.State.String(), "tick", int64(r.position.ID))
	err := r.fence.MoveTables(ctx, r.sub, func(tx pgx.Tx) error {
		return set.MoveTable(ctx, tx, r.Queue, t.Name, set.Main, t.State, to)
	})
	if errors.Is(err, set.ErrMoved) {
		return nil
	}
	return err
}

// sweep removes what crashes and removed tables have left: consumers of
// copies that are none, their positions, and dropped indexes and foreign keys
// of tables that are no longer in the set.
func (r *run) sweep(ctx context.Context) error {
	r.sweptAt = time.Now()
	if len(r.mirror.gone) > 0 {
		r.mirror.version = "" // look for them again
	}
	if _, err := r.tables.refresh(ctx, r.sub); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, t := range r.tables.in(set.InCopy, set.CatchingUp, set.WannaSync, set.DoSync) {
		wanted[r.CopyConsumer(t.Name)] = true
	}
	for name := range r.copies {
		wanted[r.CopyConsumer(name)] = true
	}
	for name := range r.tables.aside {
		wanted[r.CopyConsumer(name)] = true
	}
	left, err := set.TextColumn(ctx, r.prov, `select consumer_name from pgq.get_consumer_info($1)
		where starts_with(consumer_name, $2)`, r.Queue, r.CopyPrefix())
	if err != nil {
		return fmt.Errorf("provider: consumers: %w", err)
	}
	for _, consumer := range left {
		if wanted[consumer] {
			continue
		}
		r.Logger().Info("Removing the consumer of a copy that is none any more", "consumer", consumer)
		if err := unregister(ctx, r.prov, r.Queue, consumer); err != nil {
			return err
		}
	}
	if err := r.sweepPositions(ctx, wanted); err != nil {
		return err
	}
	if err := r.sweepLedgers(ctx); err != nil {
		return err
	}
	if err := r.sweepDDL(ctx); err != nil {
		return err
	}
	return set.RestoreFkeys(ctx, r.sub, &r.Pair, r.writer(ctx))
}

func (r *run) sweepPositions(ctx context.Context, wanted map[string]bool) error {
	left, err := set.TextColumn(ctx, r.sub, `select consumer_name from pgq_node.local_state
		where queue_name = $1 and starts_with(consumer_name, $2)`, r.Queue, r.CopyPrefix())
	if err != nil {
		return fmt.Errorf("subscriber: positions: %w", err)
	}
	for _, consumer := range left {
		if wanted[consumer] {
			continue
		}
		if err := r.forgetPosition(ctx, consumer); err != nil {
			return err
		}
	}
	return nil
}

// sweepLedgers deletes those of tables that have left the set.
func (r *run) sweepLedgers(ctx context.Context) error {
	const gone = ` from skytools.copy_table k where queue_name = $1 and not exists (
		select from londiste.table_info t where t.local and t.queue_name = k.queue_name and t.table_name = k.table_name)`
	left, err := set.TextColumn(ctx, r.sub, `select table_name`+gone, r.Queue)
	if err != nil || len(left) == 0 {
		return err
	}
	return r.writeProgress(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete`+gone, r.Queue)
		return err
	})
}

// sweepDDL builds indexes dropped for the copy of a table that has since left
// the set. One that cannot be built is reported and tried again.
func (r *run) sweepDDL(ctx context.Context) error {
	left, err := set.TextColumn(ctx, r.sub, `select distinct table_name from skytools.pending_ddl p
		where queue_name = $1 and kind in ('index', 'constraint') and not exists (
			select from londiste.table_info t where t.local and t.queue_name = p.queue_name
				and t.table_name = p.table_name
				and coalesce(t.merge_state, '') not in ('ok', '?'))`, r.Queue)
	if err != nil {
		return fmt.Errorf("subscriber: pending indexes: %w", err)
	}
	for _, text := range left {
		table, err := ident.Parse(text)
		if err != nil {
			return err
		}
		err = set.RebuildObjects(ctx, r.sub, &r.Pair, table, table, false, r.writer(ctx))
		if err != nil && (r.sub.IsClosed() || ctx.Err() != nil || errors.Is(err, set.ErrFenced)) {
			return err
		}
		if err != nil {
			r.Logger().Warn("Cannot build an index dropped for a copy", "error", err)
		}
	}
	return nil
}

// landed ends the time in which rows may be ahead of the position.
func (r *run) landed(ctx context.Context) error {
	if r.ahead == nil || !r.position.Snapshot.Covers(*r.ahead) {
		return nil
	}
	if err := r.endAhead(ctx); err != nil {
		return err
	}
	r.Logger().Info("The rows that the subscriber was attached with are caught up with", "tick", int64(r.position.ID))
	r.ahead = nil
	r.newApplier()
	return nil
}
