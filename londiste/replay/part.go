package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/transfer"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// asidePause is between two attempts to set tables aside for which others must be
// locked, and waited for.
const asidePause = 30 * time.Second

// setAside takes the tables of which a part is to be copied anew out of step, at
// the position and between two batches, as parking does: first the provider's
// consumer, then the subscriber. It tells whether there was one.
func (r *run) setAside(ctx context.Context) (bool, error) {
	if time.Since(r.asideAt) < asidePause {
		return false, nil
	}
	some := false
	for _, t := range r.tables.in(set.OK) {
		if !t.Part.Pending() {
			continue
		}
		err := r.setOneAside(ctx, t)
		if set.SQLState(err) == "55P03" { // somebody holds a neighbour's lock: the others go on
			r.Logger().Warn("Cannot set a table aside, of which a part is to be copied anew: trying again",
				"table", t.Name.String(), "error", err)
			r.asideAt = time.Now()
			continue
		}
		if err != nil {
			return false, fmt.Errorf("set table %s aside: %w", t.Name, err)
		}
		some = true
	}
	if some {
		_, err := r.tables.refresh(ctx, r.sub)
		return true, err
	}
	return false, nil
}

func (r *run) setOneAside(ctx context.Context, t *set.Table) error {
	if !set.Main.May(set.OK, set.CatchingUp) {
		return errors.New("a table may not be set aside")
	}
	if r.noReplica { // its neighbours go on, and show another time than it does
		err := set.DropFkeys(ctx, &r.Pair, r.fkeys, r.writer(ctx), `to_regclass($1) in (c.conrelid, c.confrelid)`, t.Dest.SQL())
		if err != nil {
			return fmt.Errorf("drop foreign keys: %w", err)
		}
	}
	if err := r.stand(ctx); err != nil {
		return err
	}
	if err := holdAt(ctx, r.prov, &r.Pair, t.Name, r.me, r.fence.Epoch, r.position.ID); err != nil {
		return err
	}
	err := r.fence.Write(ctx, r.sub, failpoint.PartAside, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update londiste.table_info t set merge_state = $3, custom_snapshot = null
			where queue_name = $1 and table_name = $2 and local and merge_state in ('ok', '?')
				and exists (select from skytools.resync_part r where r.queue_name = $1 and r.table_name = $2 and tick_id is null)`,
			r.Queue, t.Name.String(), set.State{Phase: set.CatchingUp}.Text())
		if err != nil || tag.RowsAffected() == 0 { // removed, or to be copied as a whole
			return err
		}
		return set.SetAside(ctx, tx, &r.Pair, t.Name, int64(r.position.ID))
	})
	if err != nil {
		return err
	}
	delete(r.tables.aside, t.Name)
	r.Logger().Info("Table set aside: a part of it is copied anew", "table", t.Name.String(), "tick", int64(r.position.ID),
		"part", t.Part.String())
	return nil
}

// partCopy copies a part of a table anew. The provider's rows are read by the
// snapshot of a tick B. In one transaction of the subscriber the table's own
// events are applied up to B, which makes it the provider's table as of B but for
// what has gone wrong with it, and then the rows of the part become what was
// read. So nothing is applied to rows that are newer than it.
type partCopy struct {
	*copier
	transfer.Part
	table     *set.Table
	src       *source
	there     *pgx.Conn // to the provider; at first under the snapshot of tick
	pos, tick pgq.Tick  // before and after
	clear     bool      // the part's rows make way before the events come
	refused   bool      // an event was
}

// copyPart copies the part that is wanted anew. Where an event is refused, the
// rows of the part may be in its way: then they go first.
func (c *copier) copyPart(ctx context.Context, t *set.Table) error {
	pos, ok, err := c.position(ctx, t)
	if err != nil || !ok {
		return err
	}
	src, err := c.source(ctx)
	if err == nil && src == nil {
		err = hint.With(fmt.Errorf("table %s is not attached to queue %s at the provider any more", c.name, c.Queue), "provider add %s", c.name)
	}
	if err != nil {
		return err
	}
	if err := c.chunks.streams.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.chunks.streams.Release(1)
	if err := c.calm(ctx, c.prov); err != nil {
		return err
	}
	a := &partCopy{copier: c, table: t, src: src, pos: pos}
	err = a.run(ctx)
	// An update tells nothing of columns that are left out: its row must be there.
	if bad, ok := errors.AsType[*apply.Error](err); ok && a.refused && bad.Lasting() && src.told {
		c.Logger().Info("The rows of the part make way for an event that was refused", "table", c.name.String(), "error", bad)
		a.clear, a.refused = true, false
		err = a.run(ctx)
	}
	if errors.Is(err, set.ErrMoved) {
		c.Logger().Info("Copy dropped: it is not wanted any more", "table", c.name.String())
		return nil
	}
	return err
}

func (a *partCopy) run(ctx context.Context) error {
	begin := time.Now()
	defer set.CloseConn(&a.there)
	if err := a.ack(ctx, a.pos); err != nil {
		return err
	}
	var deleted, inserted int64
	err := a.fence.Write(ctx, a.sub, failpoint.PartRows, func(tx pgx.Tx) error {
		if err := set.Unshared(ctx, tx, a.Queue, *a.table, "its copy"); err != nil {
			return err
		}
		if err := a.read(ctx, tx); err != nil {
			return a.blame(err)
		}
		if a.clear {
			if err := a.Clear(ctx, tx); err != nil {
				return a.blame(err)
			}
		}
		err := a.events(ctx, tx, batchOf{table: a.table, prev: a.pos, cur: a.tick, alive: func(ctx context.Context) error { return a.alive(ctx, a.there) }})
		if err != nil {
			a.refused = true
			return err
		}
		if deleted, inserted, err = a.Replace(ctx, tx); err != nil {
			return a.blame(err)
		}
		return a.table.Part.Done(ctx, tx, a.Queue, a.name, int64(a.tick.ID), deleted, inserted)
	})
	if err != nil {
		return err
	}
	a.Logger().Info("Part of the table copied anew", "table", a.name.String(), "part", a.table.Part.String(), "tick", int64(a.tick.ID),
		"deleted", deleted, "inserted", inserted, "duration", time.Since(begin).Round(time.Millisecond))
	a.changed()
	return a.ack(ctx, a.tick)
}

// blame makes an error of the part that will come again one of the table, which
// is parked with it.
func (a *partCopy) blame(err error) error {
	bad := &apply.Error{Table: a.name, Err: fmt.Errorf("copy %s anew: %w", a.table.Part, err)}
	if set.SQLState(err) != "" && bad.Lasting() {
		return bad
	}
	return err
}

// read collects the keys of the part at both sides and stages the provider's
// rows as of a tick that is made for it.
func (a *partCopy) read(ctx context.Context, tx pgx.Tx) error {
	if err := a.look(ctx, tx); err != nil {
		return err
	}
	if err := a.Stage(ctx, tx); err != nil {
		return err
	}
	want := a.table.Part
	var err error
	if want.Where != "" {
		err = a.Collect(ctx, tx, want.Where)
	} else {
		err = a.Take(ctx, tx, set.KeysQuery, a.Queue, a.name.String())
	}
	if err != nil {
		return err
	}
	a.hold.moved.start(0, 0)
	pipe := transfer.Pipe{From: a.there, To: tx.Conn(), Meter: a.meter}
	if want.Where != "" {
		if _, err := a.Fetch(ctx, pipe, want.Where); err != nil {
			return err
		}
	}
	if _, err := a.FetchRest(ctx, pipe, tx); err != nil {
		return err
	}
	_, err = a.there.Exec(ctx, "rollback") // the snapshot is not needed any more
	return err
}

// look takes the snapshot at the provider, under a lock that keeps the table from
// being changed in structure, rewritten or truncated until it is read.
func (a *partCopy) look(ctx context.Context, tx pgx.Tx) (err error) {
	if a.there, err = a.ConnectProvider(ctx); err != nil {
		return err
	}
	if err := set.PrepareProvider(ctx, a.there); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	read, err := a.there.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if err := a.lockSource(ctx, read, a.src); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	a.Part, err = transfer.NewPart(ctx, a.prov, a.src.name, tx, a.table.Dest, a.src.key)
	if err != nil && !a.prov.IsClosed() && !a.sub.IsClosed() && ctx.Err() == nil {
		return &apply.Error{Table: a.name, Err: err}
	}
	if err != nil {
		return err
	}
	// The tick is wanted, nobody has to wait at it.
	id, err := pgq.SetBarrier(ctx, a.prov, read, a.Queue, pgq.Barrier{Kind: "resync", Consumer: a.consumer}, time.Second)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	a.tick, err = a.reader.Tick(ctx, id)
	return err
}

// meter counts what passes.
func (a *partCopy) meter(ctx context.Context, rows, bytes int64) error {
	if err := a.alive(ctx, a.prov); err != nil {
		return err
	}
	return a.copier.meter(ctx, rows, bytes)
}

// alive gives a sign of life over a connection that is free, which keeps the tick
// from being thinned: after a consumer's position only one that has been silent
// for an hour loses any.
func (a *partCopy) alive(ctx context.Context, conn *pgx.Conn) error {
	if time.Since(a.ackedAt) < set.SignOfLife {
		return nil
	}
	a.ackedAt = time.Now()
	return set.Ack(ctx, conn, a.Queue, a.consumer, a.pos.ID, a.fence.Epoch)
}
