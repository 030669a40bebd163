package ticker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/session"
)

// NotReady tells why a database cannot be ticked: no PgQ, one that is too old,
// a standby. It is no failure of the connection.
type NotReady struct{ Reason string }

// Error is the reason.
func (n *NotReady) Error() string { return n.Reason }

// CheckReady returns a [NotReady] where a database cannot be ticked.
func CheckReady(ctx context.Context, db *pgx.ConnConfig) error {
	conn, err := session.Open(ctx, db, tickLockWait)
	if err != nil {
		return err
	}
	defer session.Close(ctx, conn)
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
