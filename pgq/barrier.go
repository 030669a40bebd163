package pgq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
)

// Barrier is why readers do not merge past a tick (table skytools.barrier):
// somebody waits for a consumer to stand exactly there.
type Barrier struct {
	Kind     string
	Consumer string // whose worker is waited for; "" all
}

// Concerns tells whether the consumer is waited for at the tick.
func (b Barrier) Concerns(consumer string) bool {
	return b.Kind != "" && (b.Consumer == "" || b.Consumer == consumer)
}

// SetBarrier makes a tick with the snapshot in which snap, a transaction at
// REPEATABLE READ that has not read anything yet, sees the database, and a
// barrier at it which lasts for keep. lock is another connection to the same
// database: it keeps all tickers out from before the snapshot is taken until
// the tick is committed.
//
//	lock  begin; tick lock; event sequence                insert tick, barrier; commit
//	snap                                   take snapshot
//
// So what the consumers have applied at the tick is what snap sees.
func SetBarrier(ctx context.Context, lock *pgx.Conn, snap pgx.Tx, queue string, b Barrier, keep time.Duration) (TickID, error) {
	id, err := setBarrier(ctx, lock, snap, queue, b, keep)
	if err != nil {
		return 0, fmt.Errorf("queue %s: tick for %s: %w", queue, b.Kind, err)
	}
	return id, nil
}

// lockPatience ends a ticking session that is stopped between its statements:
// nobody else can tick the queue until then.
const lockPatience = `set local lock_timeout = '5s'; set local idle_in_transaction_session_timeout = '5s'`

func setBarrier(ctx context.Context, lock *pgx.Conn, snap pgx.Tx, queue string, b Barrier, keep time.Duration) (TickID, error) {
	tx, err := lock.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	if _, err := tx.Exec(ctx, lockPatience); err != nil {
		return 0, err
	}
	var seq, id int64
	if err := tx.QueryRow(ctx, `select skytools.barrier_begin($1)`, queue).Scan(&seq); err != nil {
		return 0, err
	}
	var snapshot, isolation string
	err = snap.QueryRow(ctx, `select txid_current_snapshot()::text, current_setting('transaction_isolation')`).Scan(&snapshot, &isolation)
	if err == nil && isolation != "repeatable read" {
		err = errors.New("the snapshot's transaction must be at isolation level repeatable read, it is at " + isolation)
	}
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `select skytools.barrier_tick($1, $2, $3::text::txid_snapshot, $4, nullif($5, ''), $6)`,
		queue, seq, snapshot, b.Kind, b.Consumer, keep).Scan(&id)
	if err != nil {
		return 0, err
	}
	if err := failpoint.Commit(failpoint.Barrier, func() error { return tx.Commit(ctx) }); err != nil {
		return 0, err
	}
	// Who is not told looks by itself, as those of a queue whose name is too
	// long for a notification.
	return TickID(id), failpoint.Commit(failpoint.Barrier, func() error {
		_, err := lock.Exec(ctx, `select pg_notify($1, $2) where octet_length($2) < 8000`, TickChannel, queue)
		return err
	})
}

// KeepBarrier lets a barrier last for keep from now on; 0 ends it. False means
// that it had ended already.
func KeepBarrier(ctx context.Context, conn *pgx.Conn, queue string, tick TickID, keep time.Duration) (kept bool, err error) {
	err = failpoint.Commit(failpoint.Barrier, func() error {
		return conn.QueryRow(ctx, `select skytools.barrier_keep($1, $2, $3)`, queue, int64(tick), keep).Scan(&kept)
	})
	if err != nil {
		return false, fmt.Errorf("queue %s: barrier at tick %d: %w", queue, tick, err)
	}
	return kept, nil
}

// barrierTable knows whether the database has a table of barriers. One without
// schema skytools may get it while a reader is at work.
type barrierTable struct {
	there   bool
	askedAt time.Time
}

// askAgain is how old a look may be that found no table.
const askAgain = time.Minute

func (b *barrierTable) statements(ctx context.Context, conn *pgx.Conn) (*tickStatements, error) {
	if !b.there && time.Since(b.askedAt) > askAgain {
		err := conn.QueryRow(ctx, `select coalesce(has_table_privilege(to_regclass('skytools.barrier'), 'select'), false)`).Scan(&b.there)
		if err != nil {
			return nil, err
		}
		b.askedAt = time.Now()
	}
	if b.there {
		return &withBarriers, nil
	}
	return &withoutBarriers, nil
}

var (
	withoutBarriers = statementsWith(`null::text, null::text`, ``, `null`)
	withBarriers    = statementsWith(`b.kind, b.consumer_name`,
		`left join skytools.barrier b on b.queue_name = q.queue_name and b.tick_id = t.tick_id and b.until > clock_timestamp()`,
		`(select min(b.tick_id) from skytools.barrier b join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = b.tick_id
			where b.queue_name = q.queue_name and b.tick_id > $2 and b.until > clock_timestamp())`)
)

func statementsWith(columns, join, first string) tickStatements {
	return tickStatements{
		byID: fmt.Sprintf(tickByID, columns, join), first: fmt.Sprintf(tickFirst, columns, join),
		next: fmt.Sprintf(tickNext, columns, join, first),
	}
}
