package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// findPosition says from which tick the worker goes on, and writes it down
// where there was none: at the first start, and when the position that there
// was is lost and no table needs it.
func (r *run) findPosition(ctx context.Context, provider set.Identity) (pgq.Tick, error) {
	consumer := r.ConsumerName()
	here, known, err := set.PositionOf(ctx, r.sub, r.Queue, consumer)
	if err != nil {
		return pgq.Tick{}, fmt.Errorf("position: %w", err)
	}
	there, registered, err := set.ConsumerAt(ctx, r.prov, r.Queue, consumer)
	if err != nil {
		return pgq.Tick{}, err
	}
	if known {
		tick, err := r.checkPosition(ctx, here, there, registered, provider)
		// A position that no table needs is kept as well: events are counted once.
		if err == nil || !errors.Is(err, set.ErrPosition) || r.tables.needPosition() {
			return tick, err
		}
	}
	if !registered {
		r.Logger().Info("Registering consumer at the provider", "queue", r.Queue, "consumer", consumer)
		if there, err = set.Register(ctx, r.prov, r.Queue, consumer, failpoint.Position); err != nil {
			return pgq.Tick{}, err
		}
	}
	tick, err := r.reader.Tick(ctx, there)
	if err != nil {
		return pgq.Tick{}, err
	}
	r.Logger().Info("Starting at the provider's position", "tick", int64(there))
	return tick, r.adoptPosition(ctx, tick, provider)
}

// checkPosition refuses a position from which events may be missing: here is
// the subscriber's, there the provider's idea of it.
func (r *run) checkPosition(ctx context.Context, here, there pgq.TickID, registered bool, provider set.Identity) (pgq.Tick, error) {
	applied, err := r.sameProvider(ctx, provider)
	if err != nil {
		return pgq.Tick{}, err
	}
	const anew = "to copy everything again: replay --reset, then subscriber resync --all"
	if !registered {
		if err := r.detached(ctx); err != nil {
			return pgq.Tick{}, err
		}
		return pgq.Tick{}, r.lost("register again and copy everything: subscriber register, then subscriber resync --all",
			"the consumer is not registered at the provider, which may have dropped events since tick %d", here)
	}
	if here < there {
		return pgq.Tick{}, r.lost("set the provider back with replay --rewind if it still has tick "+fmt.Sprint(here)+
			"; "+anew, "the subscriber is at tick %d, but the provider was told %d already", here, there)
	}
	last, err := r.reader.Last(ctx)
	if err != nil {
		return pgq.Tick{}, err
	}
	if here > last.ID {
		return pgq.Tick{}, r.lost(anew, "the subscriber is at tick %d, the provider's last is %d: it lost its latest changes",
			here, last.ID)
	}
	tick, err := r.reader.Tick(ctx, here)
	if errors.Is(err, pgq.ErrTickNotFound) {
		return pgq.Tick{}, r.lost(anew, "the provider has no tick %d any more", here)
	}
	if err == nil && applied != nil && !applied.Equal(tick.Time) {
		return pgq.Tick{}, r.lost(sameServer,
			"the provider's tick %d was made at %s, the one applied here at %s: the provider was restored from a backup, and has other changes since",
			here, tick.Time.Format(time.RFC3339Nano), applied.Format(time.RFC3339Nano))
	}
	return tick, err
}

// detached is the error of a consumer that the provider's policy has detached;
// its events may still be there.
func (r *run) detached(ctx context.Context) error {
	list, err := pgq.DetachedConsumers(ctx, r.prov)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Queue == r.Queue && d.Consumer == r.ConsumerName() {
			return r.lost(fmt.Sprintf("at the provider, select skytools.attach_consumer(%s, %s); if it says that events are gone: "+
				"skytools.forget_detached, then subscriber register and subscriber resync --all",
				ident.Literal(d.Queue), ident.Literal(d.Consumer)),
				"the provider detached it at %s, its backlog being %s", d.At.Format(time.DateTime), d.Reason)
		}
	}
	return nil
}

const sameServer = "if nothing was lost there, go on with replay --rewind; else replay --reset, then subscriber resync --all"

// sameProvider refuses a provider that is not the server it was. It returns
// when the tick of the position was made there, if that is known: a server
// set back to a backup makes other ticks with the same numbers.
func (r *run) sameProvider(ctx context.Context, now set.Identity) (*time.Time, error) {
	var was set.Identity
	var made *time.Time
	err := r.sub.QueryRow(ctx, `select provider_system_identifier, provider_timeline, last_tick_time
		from skytools.worker_state where queue_name = $1 and consumer_name = $2`,
		r.Queue, r.ConsumerName()).Scan(&was.System, &was.Timeline, &made)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil // a position set by hand
	}
	if err != nil {
		return nil, fmt.Errorf("provider's identity: %w", err)
	}
	if was.System == now.System && was.Timeline == now.Timeline {
		return made, nil
	}
	return nil, r.lost(sameServer,
		"the provider is server %s on timeline %d now, it was %s on timeline %d",
		now.System, now.Timeline, was.System, was.Timeline)
}

func (r *run) lost(advice, format string, args ...any) error {
	return loop.Permanent(hint.With(fmt.Errorf("%w: consumer %s of queue %s: %s",
		set.ErrPosition, r.ConsumerName(), r.Queue, fmt.Sprintf(format, args...)), "%s", advice))
}

// adoptPosition writes down a position taken from the provider.
func (r *run) adoptPosition(ctx context.Context, tick pgq.Tick, provider set.Identity) error {
	err := r.fence.Write(ctx, r.sub, failpoint.Position, func(tx pgx.Tx) error {
		return set.StorePosition(ctx, tx, &r.Pair, tick, provider)
	})
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	return nil
}

// settle makes the position durable at the subscriber, together with every
// batch committed so far, and gives the sign of life. Batches themselves
// commit without waiting for the disk: rows and position would be lost
// together, which is harmless until the provider has been told.
//
// Sequences that moved while there were no batches are set along.
func (r *run) settle(ctx context.Context, seqs []change) error {
	err := r.fence.Write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		if err := r.setSequences(ctx, tx, seqs); err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue(set.DurableSQL)
		b.Queue(`update pgq_node.local_state set last_tick_id = $3, cur_error = case when $4 then cur_error end
			where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName(), int64(r.position.ID), r.stuck)
		b.Queue(set.MoveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	r.failing = r.stuck
	r.settled, r.settledAt = r.position.ID, time.Now()
	return nil
}

// flushed makes the position that was just read durable: whoever moved it may
// have ended a moment ago and not have waited for the disk. Told to the
// provider and then lost in a crash here, it would be a position lost for good.
func (r *run) flushed(ctx context.Context) error {
	err := r.fence.Write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(set.DurableSQL)
		b.Queue(set.MoveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	return nil
}

// rowsAhead reads what rows have seen that are newer than the position, nil
// where none are.
func (r *run) rowsAhead(ctx context.Context) (*pgq.Snapshot, error) {
	var text *string
	err := r.sub.QueryRow(ctx, `select rows_snapshot from skytools.worker_state
		where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName()).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && text == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rows_snapshot: %w", err)
	}
	s, err := pgq.ParseSnapshot(*text)
	if err != nil {
		return nil, fmt.Errorf("rows_snapshot: %w", err)
	}
	return &s, nil
}

// endAhead notes that no row is newer than the position any more, which is
// made durable with it: a crash must not take it back.
func (r *run) endAhead(ctx context.Context) error {
	return r.fence.Write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(set.DurableSQL)
		b.Queue(set.MoveStateSQL, r.Queue, r.ConsumerName(), int64(r.position.ID))
		b.Queue(set.MoveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		b.Queue(`update skytools.worker_state set rows_snapshot = null
			where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName())
		return tx.SendBatch(ctx, b).Close()
	})
}

// forgetPosition deletes the position of a copy that is none any more.
func (r *run) forgetPosition(ctx context.Context, consumer string) error {
	return r.fence.Write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2`,
			r.Queue, consumer)
		return err
	})
}

// ack tells the provider the settled position.
func (r *run) ack(ctx context.Context) error {
	if err := set.Ack(ctx, r.prov, r.Queue, r.ConsumerName(), r.settled, r.fence.Epoch); err != nil {
		return err
	}
	r.acked, r.ackedAt = r.settled, time.Now()
	return nil
}

// Rewind sets the provider's idea of the consumer to the position that the
// subscriber keeps, and accepts the provider as it is. It refuses while a
// worker runs.
func (w *Worker) Rewind(ctx context.Context) error {
	return w.repair(ctx, func(sub, prov *pgx.Conn) error {
		w.Logger().Info("Rewinding queue", "queue", w.Queue, "consumer", w.ConsumerName())
		here, known, err := set.PositionOf(ctx, sub, w.Queue, w.ConsumerName())
		if err != nil {
			return err
		}
		if !known {
			w.Logger().Warn("No tick found on dst side")
			return nil
		}
		tick, err := pgq.NewReader(prov, w.Queue).Tick(ctx, here)
		if err != nil {
			return hint.With(err, "the events since then are gone: replay --reset, then subscriber resync --all")
		}
		err = failpoint.Commit(failpoint.Position, func() error {
			_, err := prov.Exec(ctx, `select pgq.register_consumer_at($1, $2, $3)`, w.Queue, w.ConsumerName(), int64(here))
			return err
		})
		if err != nil {
			return err
		}
		provider, err := set.Identify(ctx, prov)
		if err != nil {
			return err
		}
		var anew []ident.Name
		err = set.InTx(ctx, sub, failpoint.Position, func(tx pgx.Tx) error {
			if anew, err = w.voidCopies(ctx, tx, tick, provider); err != nil {
				return err
			}
			return set.StorePosition(ctx, tx, &w.Pair, tick, provider)
		})
		for _, name := range anew {
			w.Logger().Warn("The copy of the table was under way when the provider changed: copying it anew", "table", name.String())
		}
		return err
	})
}

// aheadSQL lists the tables whose rows may be newer than tick $3: those that no
// tick vouches for yet, and those whose copy stands beyond it. $2 is what the
// names of copies' consumers begin with.
const aheadSQL = `
	select t.table_name from londiste.table_info t
	left join pgq_node.local_state s on s.queue_name = t.queue_name and s.consumer_name = $2 || t.table_name
	where t.queue_name = $1 and t.local and t.merge_state not in ('ok', '?')
		and (t.merge_state = 'in-copy' or t.custom_snapshot is not null or s.last_tick_id > $3)
	order by t.nr`

// voidCopies has tables copied anew where another server is the provider now: it
// has all that the position's tick saw, but may lack what a copy read after it,
// and it makes other ticks with the numbers of those that it lacks.
func (w *Worker) voidCopies(ctx context.Context, tx pgx.Tx, at pgq.Tick, now set.Identity) (anew []ident.Name, err error) {
	same, err := set.One[bool](ctx, tx, `select exists (select from skytools.worker_state where queue_name = $1 and consumer_name = $2
		and provider_system_identifier = $3 and provider_timeline = $4 and last_tick_time = $5)`,
		w.Queue, w.ConsumerName(), now.System, now.Timeline, at.Time)
	if err != nil || same {
		return nil, err
	}
	list, err := set.TextColumn(ctx, tx, aheadSQL, w.Queue, w.CopyPrefix(), int64(at.ID))
	if err != nil {
		return nil, err
	}
	for _, text := range list {
		name, err := ident.Parse(text)
		if err == nil {
			err = set.CopyAnew(ctx, tx, w.Queue, name)
		}
		if err != nil {
			return nil, fmt.Errorf("copy table %s anew: %w", text, err)
		}
		anew = append(anew, name)
	}
	return anew, nil
}

// Reset forgets the position at the subscriber: the worker goes on where the
// provider thinks that it is. It refuses while a worker runs.
func (w *Worker) Reset(ctx context.Context) error {
	return w.repair(ctx, func(sub, _ *pgx.Conn) error {
		w.Logger().Info("Resetting queue tracking on dst side", "queue", w.Queue, "consumer", w.ConsumerName())
		return set.InTx(ctx, sub, failpoint.Position, func(tx pgx.Tx) error {
			for _, table := range []string{"pgq_node.local_state", "skytools.worker_state"} {
				_, err := tx.Exec(ctx, `delete from `+table+` where queue_name = $1 and consumer_name = $2`,
					w.Queue, w.ConsumerName())
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// repair connects to both sides and runs fn while no worker runs.
func (w *Worker) repair(ctx context.Context, fn func(sub, prov *pgx.Conn) error) error {
	sub, err := w.ConnectSubscriber(ctx)
	if err != nil {
		return err
	}
	defer sub.Close(context.WithoutCancel(ctx))
	prov, err := w.ConnectProvider(ctx)
	if err != nil {
		return err
	}
	defer prov.Close(context.WithoutCancel(ctx))
	if err := (set.Fence{Queue: w.Queue, Consumer: w.ConsumerName()}).Alone(ctx, sub); err != nil {
		return err
	}
	return fn(sub, prov)
}
