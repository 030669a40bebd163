package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// batch applies one batch, whose first part is p. One without events moves
// the position in memory only; report settles it within a second.
func (r *run) batch(ctx context.Context, p part) error {
	if p.err != nil {
		return fmt.Errorf("provider: %w", p.err)
	}
	if p.prev.ID != r.position.ID {
		return fmt.Errorf("batch %d to %d does not begin at the position %d", p.prev.ID, p.cur.ID, r.position.ID)
	}
	if p.last && len(p.events) == 0 && !r.failing && len(r.tables.aside) == 0 {
		r.fetch.free(p)
		r.moveTo(p.cur)
		return r.atBarrier(ctx)
	}
	if err := r.hold(ctx); err != nil {
		return err
	}
	begin := time.Now()
	seqs, err := r.readSequences(ctx)
	if err != nil {
		return err
	}
	res, err := r.applyParts(ctx, p, seqs)
	for errors.Is(err, errAgain) {
		r.Logger().Debug("Events came out of order, the batch is applied anew", "tick", int64(p.cur.ID))
		if p, err = r.nextPart(ctx); err == nil {
			res, err = r.applyParts(ctx, p, seqs)
		}
	}
	if err != nil {
		return err
	}
	r.moveTo(p.cur)
	if err := r.atBarrier(ctx); err != nil {
		return err
	}
	r.failing, r.stuck = false, false
	r.parked()
	if r.Worker.Stats != nil {
		r.Worker.Stats(Stats{
			Events: res.Total.Events, Ignored: res.Total.Filtered + res.Total.Skipped, Duration: time.Since(begin),
		})
	}
	return r.report(ctx)
}

// moveTo makes cur the position. A table may be waiting for it.
func (r *run) moveTo(cur pgq.Tick) {
	r.position = cur
	r.at.Store(int64(cur.ID))
	if len(r.tables.in(set.WannaSync)) > 0 {
		r.dirty.Store(true)
	}
}

// applyParts writes a batch's rows, sequences, counters and the position, and
// which tables were left out of it, in one transaction of the subscriber.
func (r *run) applyParts(ctx context.Context, p part, seqs []change) (apply.Result, error) {
	var res apply.Result
	point := failpoint.Apply
	if len(r.tables.aside) > 0 {
		point = failpoint.Park
	}
	err := set.InTx(ctx, r.sub, point, func(tx pgx.Tx) error {
		if err := r.beginBatch(ctx, tx); err != nil {
			return err
		}
		var err error
		res, err = r.applier.Transaction(ctx, tx, func() error { return r.applyEvents(ctx, p) })
		if err != nil {
			return r.tables.explain(err)
		}
		if err := r.parkTables(ctx, tx); err != nil {
			return err
		}
		if err := r.setSequences(ctx, tx, seqs); err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue(set.MoveStateSQL, r.Queue, r.ConsumerName(), int64(p.cur.ID))
		b.Queue(set.MoveWorkerSQL, r.Queue, r.ConsumerName(), p.cur.Time)
		queueCounters(b, &r.Pair, r.ConsumerName(), res)
		return tx.SendBatch(ctx, b).Close()
	})
	return res, err
}

// beginBatch holds the lease and makes sure of the registrations, in one
// round trip where nothing changed.
func (r *run) beginBatch(ctx context.Context, tx pgx.Tx) error {
	var (
		mine    bool
		version string
	)
	b := &pgx.Batch{}
	b.Queue(`select set_config('synchronous_commit', 'off', true)`)
	b.Queue(set.LeaseSQL, r.Queue, r.ConsumerName(), r.fence.Epoch).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&mine); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return set.ErrFenced
	})
	b.Queue(versionSQL, r.Queue).QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if version == r.tables.version {
		return nil
	}
	r.dirty.Store(true)
	return r.tables.load(ctx, tx)
}

// errAgain: the batch was read out of order and follows once more.
var errAgain = errors.New("batch follows once more")

// applyEvents feeds the applier. While a long batch is under way it goes on
// to tell the provider that the consumer lives.
func (r *run) applyEvents(ctx context.Context, p part) error {
	for {
		switch {
		case p.err != nil:
			return fmt.Errorf("provider: %w", p.err)
		case p.again:
			return errAgain
		}
		for _, ev := range p.events {
			if err := r.applyEvent(ctx, r.applier, ev); err != nil {
				return err
			}
		}
		r.fetch.free(p)
		if p.last {
			return nil
		}
		if time.Since(r.ackedAt) > set.SignOfLife {
			if err := r.ack(ctx); err != nil {
				return err
			}
		}
		var err error
		if p, err = r.nextPart(ctx); err != nil {
			return err
		}
	}
}

// nextPart waits for the part that follows in the batch.
func (r *run) nextPart(ctx context.Context) (part, error) {
	select {
	case p := <-r.fetch.parts:
		return p, nil
	case <-ctx.Done():
		return part{}, ctx.Err()
	}
}

// applyEvent applies a row's change and passes over everything else that a
// queue may hold: a producer's own events are not for us.
func (r *run) applyEvent(ctx context.Context, a *apply.Applier, ev apply.Event) error {
	err := a.Event(ctx, ev)
	if !errors.Is(err, apply.ErrUnhandled) {
		return err
	}
	kind := string(ev.Type)
	if len(r.strange) < 100 && !r.strange[kind] {
		r.strange[kind] = true
		r.Logger().Warn("Ignoring events that are no change of a row", "type", kind, "first_event", ev.ID)
	}
	return nil
}

// queueCounters adds a batch's counters to those of its tables.
func queueCounters(b *pgx.Batch, p *set.Pair, consumer string, res apply.Result) {
	if len(res.Tables) == 0 {
		return
	}
	var names []string
	n := make([][]int64, 8)
	for name, c := range res.Tables {
		names = append(names, name.String())
		for i, v := range []int64{
			c.Events, c.Applied, c.Coalesced, c.Filtered, c.Skipped, c.BySets, c.Fallbacks, c.Diverged,
		} {
			n[i] = append(n[i], v)
		}
	}
	b.Queue(`
		insert into skytools.table_counter as t (queue_name, consumer_name, table_name,
			events, applied, coalesced, filtered, skipped, by_sets, fallbacks, diverged)
		select $1, $2, x.* from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
			$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
			as x (name, events, applied, coalesced, filtered, skipped, by_sets, fallbacks, diverged)
		order by x.name
		on conflict (queue_name, consumer_name, table_name) do update
		set events = t.events + excluded.events, applied = t.applied + excluded.applied,
			coalesced = t.coalesced + excluded.coalesced, filtered = t.filtered + excluded.filtered,
			skipped = t.skipped + excluded.skipped, by_sets = t.by_sets + excluded.by_sets,
			fallbacks = t.fallbacks + excluded.fallbacks, diverged = t.diverged + excluded.diverged`,
		p.Queue, consumer, names, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7])
}

// errorText is what `status` shows of an error: table, event, key and
// statement where it is known which.
func errorText(err error) string {
	text := err.Error()
	var bad *apply.Error
	if errors.As(err, &bad) && bad.Statement != "" {
		text += "\nstatement: " + bad.Statement
	}
	return text
}
