package londiste

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
)

// errFenced: another worker holds the lease, or took the claim over.
var errFenced = errors.New("another worker took over")

// leaseTimeout is the age of a holder's last sign of life from which another
// worker may take the lease although the holder's session still stands.
const leaseTimeout = 60 * time.Second

// signOfLife is how often a holder gives one at least.
const signOfLife = 10 * time.Second

// fence is a worker's right to write at its subscriber: a row of
// skytools.lease with the worker's epoch.
//
// An advisory lock of the worker's session stands beside it, so that a second
// worker knows to wait. It decides nothing: a pooler may lend it to others.
type fence struct {
	queue, consumer string
	epoch           int64
}

const leaseSQL = `select true from skytools.lease
	where queue_name = $1 and consumer_name = $2 and epoch = $3 for share`

// hold keeps a takeover out until tx ends; errFenced if one came first.
func (f fence) hold(ctx context.Context, tx pgx.Tx) error {
	var mine bool
	err := tx.QueryRow(ctx, leaseSQL, f.queue, f.consumer, f.epoch).Scan(&mine)
	if errors.Is(err, pgx.ErrNoRows) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return nil
}

// write runs fn in one transaction of the subscriber that holds the lease.
func (f fence) write(ctx context.Context, conn *pgx.Conn, p failpoint.Point, fn func(tx pgx.Tx) error) error {
	return inTx(ctx, conn, p, func(tx pgx.Tx) error {
		if err := f.hold(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

const lockKeySQL = `hashtextextended('skytools.lease ' || $1 || ' ' || $2, 0)`

// lockLease tries the advisory lock; false means that another worker lives.
func (f fence) lockLease(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var got bool
	err := conn.QueryRow(ctx, `select pg_try_advisory_lock(`+lockKeySQL+`)`, f.queue, f.consumer).Scan(&got)
	return got, err
}

// lastBreath is how long the server's process of a worker that has ended may
// still hold the lock.
const lastBreath = 2 * time.Second

// alone takes the lock, which goes with the connection, and fails while a
// worker lives. One that has only lost its session finds another epoch when it
// comes back, and begins anew with what is there then.
func (f fence) alone(ctx context.Context, conn *pgx.Conn) error {
	for last := time.Now().Add(lastBreath); ; {
		free, err := f.lockLease(ctx, conn)
		if err != nil {
			return err
		}
		if free {
			return f.outrun(ctx, conn)
		}
		if time.Now().After(last) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lastBreath / 40):
		}
	}
	who, _, err := f.holder(ctx, conn)
	if err != nil {
		return err
	}
	return hint.With(fmt.Errorf("a worker of consumer %s is running: %s", f.consumer, who),
		"stop it first: londiste INI replay -s")
}

// outrun raises the epoch without taking the lease: whoever has it is fenced.
func (f fence) outrun(ctx context.Context, conn *pgx.Conn) error {
	return failpoint.Commit(failpoint.Claim, func() error {
		_, err := conn.Exec(ctx, "update skytools.lease set epoch = epoch + 1 where queue_name = $1 and consumer_name = $2",
			f.queue, f.consumer)
		return err
	})
}

// holder tells who holds the lease, and whether it has been silent for so
// long, without any transaction under way, that it may be taken for dead.
func (f fence) holder(ctx context.Context, conn *pgx.Conn) (who string, silent bool, err error) {
	err = conn.QueryRow(ctx, `
		select l.holder, greatest(l.taken_at, s.updated_at) < clock_timestamp() - make_interval(secs => $3)
		from skytools.lease l left join skytools.worker_state s using (queue_name, consumer_name)
		where queue_name = $1 and consumer_name = $2`,
		f.queue, f.consumer, leaseTimeout.Seconds()).Scan(&who, &silent)
	if errors.Is(err, pgx.ErrNoRows) {
		return "nobody", false, nil
	}
	return who, silent, err
}

// epochOf returns the lease's epoch, 0 where there is none yet.
func (f fence) epochOf(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var epoch int64
	err := conn.QueryRow(ctx, `select epoch from skytools.lease where queue_name = $1 and consumer_name = $2`,
		f.queue, f.consumer).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return epoch, err
}

// take moves the lease from epoch old to f's. It waits for the transactions
// that hold it, except where nowait is set: a holder that seemed silent but
// is in the middle of a transaction keeps it. False: somebody else was first.
func (f fence) take(ctx context.Context, conn *pgx.Conn, old int64, nowait bool) (bool, error) {
	host, _ := os.Hostname()
	holder := fmt.Sprintf("%s pid %d", host, os.Getpid())
	var taken bool
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return false, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // after the commit it does nothing
	if nowait {
		_, err := tx.Exec(ctx, `select 1 from skytools.lease where queue_name = $1 and consumer_name = $2
			for update nowait`, f.queue, f.consumer)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	tag, err := tx.Exec(ctx, `
		insert into skytools.lease as l (queue_name, consumer_name, epoch, holder) values ($1, $2, $3, $4)
		on conflict (queue_name, consumer_name) do update
		set epoch = excluded.epoch, holder = excluded.holder, taken_at = clock_timestamp()
		where l.epoch = $5`, f.queue, f.consumer, f.epoch, holder, old)
	if err != nil {
		return false, err
	}
	if taken = tag.RowsAffected() == 1; !taken {
		return false, nil
	}
	return true, failpoint.Commit(failpoint.Claim, func() error { return tx.Commit(ctx) })
}

// identity is which database of which server a connection leads to.
type identity struct {
	System   string // system identifier
	Timeline int32
	OID      int64
	Database string
}

// identify reads the timeline where a primary writes: the control file has the
// one before until the first checkpoint after a failover.
func identify(ctx context.Context, conn *pgx.Conn) (identity, error) {
	var id identity
	err := conn.QueryRow(ctx, `
		select s.system_identifier::text, case when pg_is_in_recovery() then c.timeline_id
			else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end, d.oid::bigint, d.datname
		from pg_control_system() s, pg_control_checkpoint() c, pg_database d
		where d.datname = current_database()`).Scan(&id.System, &id.Timeline, &id.OID, &id.Database)
	if err != nil {
		return id, fmt.Errorf("identify the server: %w", err)
	}
	return id, nil
}

// claim writes down at the provider, over conn, that consumer belongs to the
// subscriber's database sub. Another database's claim is refused unless force
// is set. It returns the epoch on record afterwards, at least epoch.
func claim(ctx context.Context, conn *pgx.Conn, p *Pair, consumer string, sub identity, epoch int64, force bool) (int64, error) {
	var onRecord int64
	err := failpoint.Commit(failpoint.Claim, func() error {
		return conn.QueryRow(ctx, `select skytools.claim($1, $2, $3, $4, $5, $6, $7, $8)`,
			p.Queue, consumer, sub.System, sub.OID, sub.Database, p.Job, epoch, force).Scan(&onRecord)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "SK010" {
		return 0, loop.Permanent(hint.With(errors.New(pg.Message), "%s", pg.Hint))
	}
	if err != nil {
		return 0, fmt.Errorf("claim consumer %s: %w", consumer, err)
	}
	return onRecord, nil
}

// ForceClaim makes the provider believe that the consumer belongs to this
// subscriber from now on; the database that had it is refused at its next
// step. It is the way of `subscriber register --force`.
func (p *Pair) ForceClaim(ctx context.Context, provider, subscriber *pgx.Conn) error {
	sub, err := identify(ctx, subscriber)
	if err != nil {
		return err
	}
	f := fence{queue: p.Queue, consumer: p.ConsumerName()}
	epoch, err := f.epochOf(ctx, subscriber)
	if err != nil {
		return err
	}
	_, err = claim(ctx, provider, p, p.ConsumerName(), sub, epoch, true)
	return err
}
