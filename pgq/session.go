package pgq

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// sessionSQL undoes what the database or the role may have set for people: a
// tick under a higher isolation level would be refused, idle sessions ended.
const sessionSQL = `set session characteristics as transaction isolation level read committed, read write;
	select set_config(name, '0', false) from pg_settings
	where name in ('statement_timeout', 'transaction_timeout', 'idle_session_timeout');
	set lock_timeout = %d`

// openSession connects for a daemon. lockTimeout is how long one statement may
// wait for a lock: a queue whose lock somebody keeps must not stop the others.
func openSession(ctx context.Context, db *pgx.ConnConfig, lockTimeout time.Duration) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, db)
	if err != nil {
		return nil, hint.Connect(err, &db.Config, "database", "the connection string")
	}
	if _, err = conn.PgConn().Exec(ctx, fmt.Sprintf(sessionSQL, lockTimeout.Milliseconds())).ReadAll(); err != nil {
		closeSession(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// closeSession says good-bye to the server also when ctx has ended.
func closeSession(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// CheckInstalled returns an error with a hint where a database has no PgQ.
func CheckInstalled(ctx context.Context, conn *pgx.Conn) error {
	var installed bool
	err := conn.QueryRow(ctx, `select to_regclass('pgq.queue') is not null and to_regclass('pgq.tick') is not null`).Scan(&installed)
	if err == nil && !installed {
		err = hint.With(fmt.Errorf("%w in database %s", ErrNotInstalled, conn.Config().Database),
			"run \"pgqadm INI install\" or \"londiste INI provider install\"")
	}
	return err
}

// NotReady tells why a database cannot be ticked: no PgQ, one that is too old,
// a standby. It is no failure of the connection.
type NotReady struct{ Reason string }

// Error is the reason.
func (n *NotReady) Error() string { return n.Reason }

// CheckReady returns a [NotReady] where a database cannot be ticked.
func CheckReady(ctx context.Context, db *pgx.ConnConfig) error {
	conn, err := openSession(ctx, db, tickLockWait)
	if err != nil {
		return err
	}
	defer closeSession(ctx, conn)
	reason, err := unready(ctx, conn)
	if err == nil && reason != "" {
		err = &NotReady{reason}
	}
	return err
}

// unready says why a database cannot be ticked, or "".
func unready(ctx context.Context, conn *pgx.Conn) (string, error) {
	var standby, there, ours bool
	err := conn.QueryRow(ctx, `select pg_is_in_recovery(), to_regclass('pgq.queue') is not null,
		to_regprocedure('skytools.tick(text, bigint)') is not null`).Scan(&standby, &there, &ours)
	switch {
	case err != nil:
		return "", err
	case standby:
		return fmt.Sprintf("the server of database %s is a standby", conn.Config().Database), nil
	case there && !ours:
		return fmt.Sprintf("the PgQ in database %s is another program's; run \"pgqadm INI install\", which leaves it as it stands",
			conn.Config().Database), nil
	case !there:
		return fmt.Sprintf("PgQ is not installed in database %s; run \"pgqadm INI install\" or \"londiste INI provider install\"",
			conn.Config().Database), nil
	}
	return "", nil
}
