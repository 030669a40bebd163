package relay

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// Target is a database that events are written to, the [pgq.Beginner] of a
// consumer. It connects when it is first needed, and anew after a loss. It is
// for one consumer, which uses it for one transaction at a time.
type Target struct {
	Database *pgx.ConnConfig
	Key      string // key of the ini file with the connection string, for hints

	conn *pgx.Conn
}

// Begin begins a transaction.
func (t *Target) Begin(ctx context.Context) (pgx.Tx, error) {
	if t.conn == nil || t.conn.IsClosed() {
		config := t.Database.Copy()
		// Types are asked for, and nothing is left behind in the session: that
		// works through a pooler as well.
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, hint.Connect(err, &config.Config, "database", t.Key)
		}
		t.conn = conn
	}
	return t.conn.Begin(ctx)
}

// same tells whether a transaction is of this database.
func (t *Target) same(ctx context.Context, tx pgx.Tx) (bool, error) {
	const sql = `select s.system_identifier, d.oid from pg_control_system() s, pg_database d where d.datname = current_database()`
	type database struct {
		system int64
		oid    uint32
	}
	var ours, theirs database
	own, err := t.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer own.Rollback(context.WithoutCancel(ctx)) // it only read: the error does not matter
	if err := own.QueryRow(ctx, sql).Scan(&ours.system, &ours.oid); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, sql).Scan(&theirs.system, &theirs.oid)
	return ours == theirs, err
}

// Close closes the connection.
func (t *Target) Close() {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = t.conn.Close(ctx)
	t.conn = nil
}
