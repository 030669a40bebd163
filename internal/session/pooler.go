package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// Pooling is what stands between a client and its server.
type Pooling int

// The kinds of it.
const (
	Direct        Pooling = iota // nothing
	BySession                    // a pooler in session mode
	ByTransaction                // one that lends each transaction another session
)

// Unpool is what makes an end of [ByTransaction].
const Unpool = "connect to the server itself, or to a pooler in session mode (pool_mode = session of this database in pgbouncer.ini)"

// poolerTime is how long a second client of a pooler may wait for a session. In
// session mode it may wait for long, where all are lent.
const poolerTime = 2 * time.Second

// PoolingOf finds a pooler by the process number that the server's greeting has:
// a pooler gives one of its own. One in transaction mode lends two clients the
// same session in turn. No statement is prepared, and no setting made.
func PoolingOf(ctx context.Context, conn *pgx.Conn) (Pooling, error) {
	mine, err := Backend(ctx, conn)
	if err != nil || mine == fmt.Sprint(conn.PgConn().PID()) {
		return Direct, err
	}
	short, cancel := context.WithTimeout(ctx, poolerTime)
	defer cancel()
	other, err := pgx.ConnectConfig(short, conn.Config())
	if err != nil {
		return waited(ctx, short, err)
	}
	defer Close(ctx, other)
	// One that takes its sessions in turn shows it later. Of two sessions each client
	// would have its own again and again if they asked by turns.
	for try := range 6 {
		theirs, err := Backend(short, other)
		if err != nil {
			return waited(ctx, short, err)
		}
		for range 1 + try%2 {
			again, err := Backend(ctx, conn)
			if err != nil {
				return Direct, err
			}
			if theirs == again || again != mine {
				return ByTransaction, nil
			}
		}
	}
	return BySession, nil
}

// waited is what a second client that got no session tells.
func waited(ctx, short context.Context, err error) (Pooling, error) {
	if ctx.Err() == nil && short.Err() != nil {
		return BySession, nil
	}
	return Direct, err
}

// Backend is the number of the server's process that serves conn just now. No
// statement is prepared.
func Backend(ctx context.Context, conn *pgx.Conn) (string, error) {
	var pid string
	err := conn.QueryRow(ctx, `select pg_catalog.pg_backend_pid()::pg_catalog.text`, pgx.QueryExecModeExec).Scan(&pid)
	return pid, err
}

// Own is an error where the settings and locks of conn's session would be other
// clients': the search path for one, and that triggers do not fire.
func Own(ctx context.Context, conn *pgx.Conn) error {
	p, err := PoolingOf(ctx, conn)
	if err == nil && p == ByTransaction {
		return hint.With(errors.New("a pooler in transaction mode stands between"), Unpool)
	}
	return err
}
