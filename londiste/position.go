package londiste

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
	"github.com/skytools-go/skytools/pgq"
)

// ErrPosition is wrapped by the errors of a position that the provider's
// queue does not match. No retry mends them.
var ErrPosition = errors.New("position lost")

// consumerAt reads how far the provider thinks that a consumer is.
func consumerAt(ctx context.Context, conn *pgx.Conn, queue, consumer string) (pgq.TickID, bool, error) {
	var tick *int64
	err := conn.QueryRow(ctx, `select last_tick from pgq.get_consumer_info($1, $2)`, queue, consumer).Scan(&tick)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("consumer %s at the provider: %w", consumer, err)
	}
	if tick == nil {
		return 0, true, nil
	}
	return pgq.TickID(*tick), true, nil
}

// positionOf reads a position kept at the subscriber.
func positionOf(ctx context.Context, q queryer, queue, consumer string) (pgq.TickID, bool, error) {
	rows, err := q.Query(ctx, `select last_tick_id from pgq_node.local_state
		where queue_name = $1 and consumer_name = $2`, queue, consumer)
	if err != nil {
		return 0, false, err
	}
	id, err := pgx.CollectOneRow(rows, pgx.RowTo[int64])
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return pgq.TickID(id), err == nil, err
}

// register registers a consumer at the provider and returns where it starts:
// the last tick, or where it stood if it was registered before.
func register(ctx context.Context, conn *pgx.Conn, queue, consumer string, p failpoint.Point) (pgq.TickID, error) {
	err := failpoint.Commit(p, func() error {
		_, err := conn.Exec(ctx, `select pgq.register_consumer($1, $2)`, queue, consumer)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("register consumer %s at the provider: %w", consumer, err)
	}
	tick, found, err := consumerAt(ctx, conn, queue, consumer)
	if err == nil && !found {
		err = fmt.Errorf("consumer %s is not there although it was just registered", consumer)
	}
	return tick, err
}

// findPosition says from which tick the worker goes on, and writes it down
// where there was none: at the first start, and when the position that there
// was is lost and no table needs it.
func (r *run) findPosition(ctx context.Context, provider identity) (pgq.Tick, error) {
	consumer := r.ConsumerName()
	here, known, err := positionOf(ctx, r.sub, r.Queue, consumer)
	if err != nil {
		return pgq.Tick{}, fmt.Errorf("position: %w", err)
	}
	there, registered, err := consumerAt(ctx, r.prov, r.Queue, consumer)
	if err != nil {
		return pgq.Tick{}, err
	}
	if known {
		tick, err := r.checkPosition(ctx, here, there, registered, provider)
		// A position that no table needs is kept as well: events are counted once.
		if err == nil || !errors.Is(err, ErrPosition) || r.tables.needPosition() {
			return tick, err
		}
	}
	if !registered {
		r.log().Info("Registering consumer at the provider", "queue", r.Queue, "consumer", consumer)
		if there, err = register(ctx, r.prov, r.Queue, consumer, failpoint.Position); err != nil {
			return pgq.Tick{}, err
		}
	}
	tick, err := r.reader.Tick(ctx, there)
	if err != nil {
		return pgq.Tick{}, err
	}
	r.log().Info("Starting at the provider's position", "tick", int64(there))
	return tick, r.adoptPosition(ctx, tick, provider)
}

// checkPosition refuses a position from which events may be missing: here is
// the subscriber's, there the provider's idea of it.
func (r *run) checkPosition(ctx context.Context, here, there pgq.TickID, registered bool, provider identity) (pgq.Tick, error) {
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
func (r *run) sameProvider(ctx context.Context, now identity) (*time.Time, error) {
	var was identity
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
		ErrPosition, r.ConsumerName(), r.Queue, fmt.Sprintf(format, args...)), "%s", advice))
}

// adoptPosition writes down a position taken from the provider.
func (r *run) adoptPosition(ctx context.Context, tick pgq.Tick, provider identity) error {
	err := r.fence.write(ctx, r.sub, failpoint.Position, func(tx pgx.Tx) error {
		return storePosition(ctx, tx, &r.Pair, tick, provider)
	})
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	return nil
}

func storePosition(ctx context.Context, tx pgx.Tx, p *Pair, tick pgq.Tick, provider identity) error {
	_, err := tx.Exec(ctx, `
		insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
		values ($1, $2, $3, $4)
		on conflict (queue_name, consumer_name) do update
		set last_tick_id = excluded.last_tick_id, cur_error = null`,
		p.Queue, p.ConsumerName(), RootNode, int64(tick.ID))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into skytools.worker_state (queue_name, consumer_name,
			provider_system_identifier, provider_timeline, last_tick_time)
		values ($1, $2, $3, $4, $5)
		on conflict (queue_name, consumer_name) do update
		set provider_system_identifier = excluded.provider_system_identifier,
			provider_timeline = excluded.provider_timeline,
			last_tick_time = excluded.last_tick_time,
			updated_at = clock_timestamp()`,
		p.Queue, p.ConsumerName(), provider.System, provider.Timeline, tick.Time)
	return err
}

// The statements that move a position, with parameters queue, consumer, tick
// and the tick's time.
const (
	moveStateSQL = `update pgq_node.local_state set last_tick_id = $3, cur_error = null
		where queue_name = $1 and consumer_name = $2`
	moveWorkerSQL = `update skytools.worker_state set last_tick_time = $3, updated_at = clock_timestamp()
		where queue_name = $1 and consumer_name = $2`
)

// settle makes the position durable at the subscriber, together with every
// batch committed so far, and gives the sign of life. Batches themselves
// commit without waiting for the disk: rows and position would be lost
// together, which is harmless until the provider has been told.
//
// Sequences that moved while there were no batches are set along.
func (r *run) settle(ctx context.Context, seqs []change) error {
	err := r.fence.write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		if err := r.setSequences(ctx, tx, seqs); err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue(durableSQL)
		b.Queue(`update pgq_node.local_state set last_tick_id = $3, cur_error = case when $4 then cur_error end
			where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName(), int64(r.position.ID), r.stuck)
		b.Queue(moveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("position: %w", err)
	}
	r.failing = r.stuck
	r.settled, r.settledAt = r.position.ID, time.Now()
	return nil
}

// durableSQL makes the transaction's commit wait for the disk.
const durableSQL = `select set_config('synchronous_commit', 'local', true)
	where current_setting('synchronous_commit') = 'off'`

// flushed makes the position that was just read durable: whoever moved it may
// have ended a moment ago and not have waited for the disk. Told to the
// provider and then lost in a crash here, it would be a position lost for good.
func (r *run) flushed(ctx context.Context) error {
	err := r.fence.write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(durableSQL)
		b.Queue(moveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
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
	return r.fence.write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(durableSQL)
		b.Queue(moveStateSQL, r.Queue, r.ConsumerName(), int64(r.position.ID))
		b.Queue(moveWorkerSQL, r.Queue, r.ConsumerName(), r.position.Time)
		b.Queue(`update skytools.worker_state set rows_snapshot = null
			where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName())
		return tx.SendBatch(ctx, b).Close()
	})
}

// forgetPosition deletes the position of a copy that is none any more.
func (r *run) forgetPosition(ctx context.Context, consumer string) error {
	return r.fence.write(ctx, r.sub, failpoint.Settle, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2`,
			r.Queue, consumer)
		return err
	})
}

// writeError writes an error beside a consumer's position, which clears it
// when it moves. To fail is a sign of life too.
func writeError(ctx context.Context, conn *pgx.Conn, f fence, consumer, text string) error {
	return f.write(ctx, conn, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`update pgq_node.local_state set cur_error = $3
			where queue_name = $1 and consumer_name = $2`, f.queue, consumer, text)
		b.Queue(`update skytools.worker_state set updated_at = clock_timestamp()
			where queue_name = $1 and consumer_name = $2`, f.queue, consumer)
		return tx.SendBatch(ctx, b).Close()
	})
}

// ack tells the provider the settled position.
func (r *run) ack(ctx context.Context) error {
	if err := ack(ctx, r.prov, r.Queue, r.ConsumerName(), r.settled, r.fence.epoch); err != nil {
		return err
	}
	r.acked, r.ackedAt = r.settled, time.Now()
	return nil
}

func ack(ctx context.Context, conn *pgx.Conn, queue, consumer string, tick pgq.TickID, epoch int64) error {
	var held bool
	err := failpoint.Commit(failpoint.Ack, func() error {
		return conn.QueryRow(ctx, `select skytools.ack($1, $2, $3, $4)`, queue, consumer, int64(tick), epoch).Scan(&held)
	})
	if err != nil {
		return fmt.Errorf("tell the provider tick %d of consumer %s: %w", tick, consumer, err)
	}
	if !held {
		return fmt.Errorf("consumer %s at the provider: %w", consumer, errClaimLost)
	}
	return nil
}

// errClaimLost: the claim is gone or has another epoch; claiming anew tells
// which and why.
var errClaimLost = errors.New("the claim is not ours any more")

// Rewind sets the provider's idea of the consumer to the position that the
// subscriber keeps, and accepts the provider as it is. It refuses while a
// worker runs.
func (w *Worker) Rewind(ctx context.Context) error {
	return w.repair(ctx, func(sub, prov *pgx.Conn) error {
		w.log().Info("Rewinding queue", "queue", w.Queue, "consumer", w.ConsumerName())
		here, known, err := positionOf(ctx, sub, w.Queue, w.ConsumerName())
		if err != nil {
			return err
		}
		if !known {
			w.log().Warn("No tick found on dst side")
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
		provider, err := identify(ctx, prov)
		if err != nil {
			return err
		}
		return inTx(ctx, sub, failpoint.Position, func(tx pgx.Tx) error {
			return storePosition(ctx, tx, &w.Pair, tick, provider)
		})
	})
}

// Reset forgets the position at the subscriber: the worker goes on where the
// provider thinks that it is. It refuses while a worker runs.
func (w *Worker) Reset(ctx context.Context) error {
	return w.repair(ctx, func(sub, _ *pgx.Conn) error {
		w.log().Info("Resetting queue tracking on dst side", "queue", w.Queue, "consumer", w.ConsumerName())
		return inTx(ctx, sub, failpoint.Position, func(tx pgx.Tx) error {
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
	sub, err := w.connectSubscriber(ctx)
	if err != nil {
		return err
	}
	defer sub.Close(context.WithoutCancel(ctx))
	prov, err := w.connectProvider(ctx)
	if err != nil {
		return err
	}
	defer prov.Close(context.WithoutCancel(ctx))
	if err := (fence{queue: w.Queue, consumer: w.ConsumerName()}).alone(ctx, sub); err != nil {
		return err
	}
	return fn(sub, prov)
}

func inTx(ctx context.Context, conn *pgx.Conn, p failpoint.Point, fn func(tx pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return failpoint.Commit(p, func() error { return tx.Commit(ctx) })
}
