package set

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/pgq"
)

// ConsumerAt reads how far the provider thinks that a consumer is.
func ConsumerAt(ctx context.Context, conn *pgx.Conn, queue, consumer string) (pgq.TickID, bool, error) {
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

// PositionOf reads a position kept at the subscriber.
func PositionOf(ctx context.Context, q Queryer, queue, consumer string) (pgq.TickID, bool, error) {
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

// Register registers a consumer at the provider and returns where it starts:
// the last tick, or where it stood if it was registered before.
func Register(ctx context.Context, conn *pgx.Conn, queue, consumer string, p failpoint.Point) (pgq.TickID, error) {
	err := failpoint.Commit(p, func() error {
		_, err := conn.Exec(ctx, `select pgq.register_consumer($1, $2)`, queue, consumer)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("register consumer %s at the provider: %w", consumer, err)
	}
	tick, found, err := ConsumerAt(ctx, conn, queue, consumer)
	if err == nil && !found {
		err = fmt.Errorf("consumer %s is not there although it was just registered", consumer)
	}
	return tick, err
}

// StorePosition makes tick the subscriber's position, read from provider.
func StorePosition(ctx context.Context, tx pgx.Tx, p *Pair, tick pgq.Tick, provider Identity) error {
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
	MoveStateSQL = `update pgq_node.local_state set last_tick_id = $3, cur_error = null
		where queue_name = $1 and consumer_name = $2`
	MoveWorkerSQL = `update skytools.worker_state set last_tick_time = $3, updated_at = clock_timestamp()
		where queue_name = $1 and consumer_name = $2`
)

// adviceMark stands between what went wrong and what its reader can do.
const adviceMark = "\nhint: "

// ErrorParts takes apart what [WriteError] has written; advice may be empty.
func ErrorParts(written string) (text, advice string) {
	text, advice, _ = strings.Cut(written, adviceMark)
	return text, advice
}

// WriteError writes an error beside a consumer's position, which clears it
// when it moves. To fail is a sign of life too.
func WriteError(ctx context.Context, conn *pgx.Conn, f Fence, consumer, text, advice string) error {
	if advice != "" {
		text += adviceMark + advice
	}
	return f.Write(ctx, conn, failpoint.Settle, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(`update pgq_node.local_state set cur_error = $3
			where queue_name = $1 and consumer_name = $2`, f.Queue, consumer, text)
		b.Queue(`update skytools.worker_state set updated_at = clock_timestamp()
			where queue_name = $1 and consumer_name = $2`, f.Queue, consumer)
		return tx.SendBatch(ctx, b).Close()
	})
}

// Ack tells the provider that consumer has made tick durable; ErrClaimLost where
// the claim has another epoch.
func Ack(ctx context.Context, conn *pgx.Conn, queue, consumer string, tick pgq.TickID, epoch int64) error {
	var held bool
	err := failpoint.Commit(failpoint.Ack, func() error {
		return conn.QueryRow(ctx, `select skytools.ack($1, $2, $3, $4)`, queue, consumer, int64(tick), epoch).Scan(&held)
	})
	if err != nil {
		return fmt.Errorf("tell the provider tick %d of consumer %s: %w", tick, consumer, err)
	}
	if !held {
		return fmt.Errorf("consumer %s at the provider: %w", consumer, ErrClaimLost)
	}
	return nil
}

// ErrClaimLost: the claim is gone or has another epoch; claiming anew tells
// which and why.
var ErrClaimLost = errors.New("the claim is not ours any more")

// InTx runs fn in a transaction whose commit is failpoint p.
func InTx(ctx context.Context, conn *pgx.Conn, p failpoint.Point, fn func(tx pgx.Tx) error) error {
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

// ErrPosition is wrapped by the errors of a position that the provider's
// queue does not match. No retry mends them.
var ErrPosition = errors.New("position lost")

// DurableSQL makes the transaction's commit wait for the disk.
const DurableSQL = `select set_config('synchronous_commit', 'local', true)
	where current_setting('synchronous_commit') = 'off'`

// BarrierKind is the kind of the barriers that comparisons set.
const BarrierKind = "compare"
