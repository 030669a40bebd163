// Package session opens the sessions of daemons. They stay open for days, and
// must not inherit what a database's owner has set for people.
package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
)

// sessionSQL undoes what the database or the role may have set for people: a
// tick under a higher isolation level would be refused, idle sessions ended.
// And what others may create in a schema of the path must not run as us.
const sessionSQL = `set search_path = pg_catalog; set session characteristics as transaction isolation level read committed, read write;
	select set_config(name, '0', false) from pg_settings
	where name in ('statement_timeout', 'transaction_timeout', 'idle_session_timeout');
	set lock_timeout = %d`

// Open connects for a daemon. lockTimeout is how long one statement may
// wait for a lock: a queue whose lock somebody keeps must not stop the others. A
// session that a pooler lends to others, too, is refused.
func Open(ctx context.Context, db *pgx.ConnConfig, lockTimeout time.Duration) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, db)
	if err != nil {
		return nil, hint.Connect(err, &db.Config, "database", "the connection string")
	}
	if err := Own(ctx, conn); err != nil {
		Close(ctx, conn)
		return nil, err
	}
	if _, err = conn.PgConn().Exec(ctx, fmt.Sprintf(sessionSQL, lockTimeout.Milliseconds())).ReadAll(); err != nil {
		Close(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// Close says good-bye to the server also when ctx has ended.
func Close(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Outlived tells that a statement failed and its session did not.
func Outlived(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Severity != "FATAL" && pg.Severity != "PANIC" && pg.Code[:2] != "57"
}
