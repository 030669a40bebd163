package set

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

// ErrFenced: another worker holds the lease, or took the claim over.
var ErrFenced = errors.New("another worker took over")

// leaseTimeout is the age of a holder's last sign of life from which another
// worker may take the lease although the holder's session still stands.
const leaseTimeout = 60 * time.Second

// SignOfLife is how often a holder gives one at least.
const SignOfLife = 10 * time.Second

// Fence is a worker's right to write at its subscriber: a row of
// skytools.lease with the worker's epoch.
//
// An advisory lock of the worker's session stands beside it, so that a second
// worker knows to wait. It decides nothing: a pooler may lend it to others.
type Fence struct {
	Queue, Consumer string
	Epoch           int64
}

// LeaseSQL holds a lease for share, with parameters queue, consumer and epoch;
// no row: it is another's. For who sends it in a batch of statements.
const LeaseSQL = `select true from skytools.lease
	where queue_name = $1 and consumer_name = $2 and epoch = $3 for share`

// hold keeps a takeover out until tx ends; ErrFenced if one came first.
func (f Fence) hold(ctx context.Context, tx pgx.Tx) error {
	var mine bool
	err := tx.QueryRow(ctx, LeaseSQL, f.Queue, f.Consumer, f.Epoch).Scan(&mine)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrFenced
	}
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return nil
}

// Write runs fn in one transaction of the subscriber that holds the lease.
func (f Fence) Write(ctx context.Context, conn *pgx.Conn, p failpoint.Point, fn func(tx pgx.Tx) error) error {
	return InTx(ctx, conn, p, func(tx pgx.Tx) error {
		if err := f.hold(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

// LockKeySQL is the key of the advisory lock beside the lease of queue $1 and
// consumer $2.
const LockKeySQL = `hashtextextended('skytools.lease ' || $1 || ' ' || $2, 0)`

// LockLease tries the advisory lock; false means that another worker lives.
func (f Fence) LockLease(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var got bool
	err := conn.QueryRow(ctx, `select pg_try_advisory_lock(`+LockKeySQL+`)`, f.Queue, f.Consumer).Scan(&got)
	return got, err
}

// lastBreath is how long the server's process of a worker that has ended may
// still hold the lock.
const lastBreath = 2 * time.Second

// Alone takes the lock, which goes with the connection, and fails while a
// worker lives. One that has only lost its session finds another epoch when it
// comes back, and begins anew with what is there then.
func (f Fence) Alone(ctx context.Context, conn *pgx.Conn) error {
	for last := time.Now().Add(lastBreath); ; {
		free, err := f.LockLease(ctx, conn)
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
	who, _, err := f.Holder(ctx, conn)
	if err != nil {
		return err
	}
	return hint.With(fmt.Errorf("a worker of consumer %s is running: %s", f.Consumer, who),
		"stop it first: londiste INI replay -s")
}

// outrun raises the epoch without taking the lease: whoever has it is fenced.
func (f Fence) outrun(ctx context.Context, conn *pgx.Conn) error {
	return failpoint.Commit(failpoint.Claim, func() error {
		_, err := conn.Exec(ctx, "update skytools.lease set epoch = epoch + 1 where queue_name = $1 and consumer_name = $2",
			f.Queue, f.Consumer)
		return err
	})
}

// Holder tells who holds the lease, and whether it has been silent for so
// long, without any transaction under way, that it may be taken for dead.
func (f Fence) Holder(ctx context.Context, conn *pgx.Conn) (who string, silent bool, err error) {
	// A sign from the future is one from before the clock was put back.
	err = conn.QueryRow(ctx, `
		select l.holder, greatest(l.taken_at, s.updated_at) not between
			clock_timestamp() - make_interval(secs => $3) and clock_timestamp() + make_interval(secs => $3)
		from skytools.lease l left join skytools.worker_state s using (queue_name, consumer_name)
		where queue_name = $1 and consumer_name = $2`,
		f.Queue, f.Consumer, leaseTimeout.Seconds()).Scan(&who, &silent)
	if errors.Is(err, pgx.ErrNoRows) {
		return "nobody", false, nil
	}
	return who, silent, err
}

// EpochOf returns the lease's epoch, 0 where there is none yet.
func (f Fence) EpochOf(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var epoch int64
	err := conn.QueryRow(ctx, `select epoch from skytools.lease where queue_name = $1 and consumer_name = $2`,
		f.Queue, f.Consumer).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return epoch, err
}

// Take moves the lease from epoch old to f's. It waits for the transactions
// that hold it, except where nowait is set: a holder that seemed silent but
// is in the middle of a transaction keeps it. False: somebody else was first.
func (f Fence) Take(ctx context.Context, conn *pgx.Conn, old int64, nowait bool) (bool, error) {
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
			for update nowait`, f.Queue, f.Consumer)
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
		where l.epoch = $5`, f.Queue, f.Consumer, f.Epoch, holder, old)
	if err != nil {
		return false, err
	}
	if taken = tag.RowsAffected() == 1; !taken {
		return false, nil
	}
	return true, failpoint.Commit(failpoint.Claim, func() error { return tx.Commit(ctx) })
}

// Identity is which database of which server a connection leads to.
type Identity struct {
	System   string // system identifier
	Timeline int32
	OID      int64
	Database string
}

// Identify reads the timeline where a primary writes: the control file has the
// one before until the first checkpoint after a failover.
func Identify(ctx context.Context, conn *pgx.Conn) (Identity, error) {
	var id Identity
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

// Claim writes down at the provider, over conn, that consumer belongs to the
// subscriber's database sub. Another database's claim is refused unless force
// is set. It returns the epoch on record afterwards, at least epoch.
func Claim(ctx context.Context, conn *pgx.Conn, p *Pair, consumer string, sub Identity, epoch int64, force bool) (int64, error) {
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
	sub, err := Identify(ctx, subscriber)
	if err != nil {
		return err
	}
	f := Fence{Queue: p.Queue, Consumer: p.ConsumerName()}
	epoch, err := f.EpochOf(ctx, subscriber)
	if err != nil {
		return err
	}
	_, err = Claim(ctx, provider, p, p.ConsumerName(), sub, epoch, true)
	return err
}
