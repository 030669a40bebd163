package londiste

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// shortLock is how long a set-up command may stand in a table's lock queue at
// a time: everybody who comes after it waits as long.
const shortLock = 300 * time.Millisecond

// yieldLock is how long it stands there now and then: an autovacuum makes way
// only for who has waited for deadlock_timeout, which is one second.
const yieldLock = 1500 * time.Millisecond

// session is one set-up command's connection to one side.
type session struct {
	conn  *pgx.Conn
	queue string
	side  string // provider or subscriber
	fake  bool
	wait  time.Duration // for locks, in all
	log   *slog.Logger
}

// sessionSQL undoes what the database or the role may have set for people. A
// snapshot from before the set-up lock would not see what the command that
// held it has done. The session of one side is idle while the other side works,
// or waits for a lock there.
const sessionSQL = `set session characteristics as transaction isolation level read committed, read write;
	select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'`

// openSession opens a connection for a set-up command. Messages of the server
// are logged.
func openSession(ctx context.Context, p *set.Pair, side string, fake bool) (*session, error) {
	cfg := p.Provider
	if side == "subscriber" {
		cfg = p.Subscriber
	}
	cfg = cfg.Copy()
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { logNotice(p.Logger(), n) }
	conn, err := set.ConnectSide(ctx, side, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, sessionSQL); err != nil {
		set.CloseConn(&conn)
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	return &session{conn: conn, queue: p.Queue, side: side, fake: fake, wait: p.LockWait(), log: p.Logger()}, nil
}

// noRight says at which side, and as whom, a role may not read what commands do.
func (s *session) noRight(err error) error {
	if set.SQLState(err) != "42501" {
		return err
	}
	return hint.With(fmt.Errorf("%s, as role %s: %w", s.side, s.conn.Config().User, err), "londiste INI doctor tells which rights the role lacks")
}

func logNotice(log *slog.Logger, n *pgconn.Notice) {
	text := n.Message
	if n.Hint != "" {
		text += " (" + n.Hint + ")"
	}
	switch n.Severity {
	case "WARNING":
		log.Warn(text)
	case "INFO":
		log.Info(text)
	default:
		log.Debug(text)
	}
}

func (s *session) close() {
	// The command is over; a context that has ended must not keep the
	// server's session open.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// change runs fn in one transaction under the set-up lock of the queue, so
// that two commands never see each other half done. A dry run rolls back.
func (s *session) change(ctx context.Context, fn func(tx pgx.Tx) error) error {
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := s.lock(ctx, tx); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	if s.fake {
		s.log.Info("Dry run (fake = 1): rolled back at the " + s.side)
		return tx.Rollback(ctx)
	}
	return failpoint.Commit(failpoint.Register, func() error { return tx.Commit(ctx) })
}

func (s *session) lock(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select set_config('lock_timeout', $1, true)", millis(s.wait)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('skytools.setup.' || $1, 0))", s.queue)
	if lockFailed(err) {
		return hint.With(fmt.Errorf("another set-up command works on queue %s at the %s", s.queue, s.side),
			"wait until it is done; lock_timeout in the ini says how long to wait for it")
	}
	return err
}

// changeTable is change for DDL on a table. The table's lock is asked for
// again and again for a short time each, never longer than wait in all.
func (s *session) changeTable(ctx context.Context, table ident.Name, fn func(tx pgx.Tx) error) error {
	deadline := time.Now().Add(s.wait)
	for try := 1; ; try++ {
		short := min(shortLock, s.wait)
		if try%4 == 0 {
			short = min(yieldLock, s.wait)
		}
		err := s.change(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select set_config('lock_timeout', $1, true)", millis(short)); err != nil {
				return err
			}
			return fn(tx)
		})
		if !lockFailed(err) {
			return err
		}
		if time.Now().After(deadline) {
			return hint.With(fmt.Errorf("table %s at the %s is locked: gave up after %s", table, s.side, s.wait),
				"%s", s.holders(ctx, table))
		}
		s.log.Debug("table is locked, trying again", "table", table)
		pause := shortLock/2 + rand.N(shortLock)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// holders says who holds locks on a table, for a hint.
func (s *session) holders(ctx context.Context, table ident.Name) string {
	const advice = "end that transaction, or raise lock_timeout in the ini"
	rows, err := s.conn.Query(ctx, `
		select format('process %s (%s, %s since %s)', a.pid, a.usename,
		    coalesce(a.state, 'busy'), to_char(a.xact_start, 'HH24:MI:SS'))
		from pg_locks l join pg_stat_activity a using (pid)
		where l.granted and l.locktype = 'relation' and l.pid <> pg_backend_pid()
		  and l.database = (select oid from pg_database where datname = current_database())
		  and l.relation = to_regclass($1)::oid
		order by a.xact_start limit 3`, table.SQL())
	if err != nil {
		return advice
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return advice
	}
	return strings.Join(found, ", ") + " holds it; " + advice
}

func lockFailed(err error) bool { return set.SQLState(err) == "55P03" }

func millis(d time.Duration) string { return fmt.Sprintf("%dms", max(d.Milliseconds(), 1)) }

// Preflight connects to both sides once. A side that answers with a refusal,
// a wrong password say, is an error; one that cannot be reached may come up
// later and is a warning.
func Preflight(ctx context.Context, p *set.Pair) error {
	for _, side := range []string{"provider", "subscriber"} {
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		s, err := openSession(short, p, side, false)
		cancel()
		switch {
		case err == nil:
			s.close()
		case ctx.Err() != nil:
			return ctx.Err()
		case hint.Refused(err):
			return err
		default:
			p.Logger().Warn(err.Error())
		}
	}
	return nil
}
