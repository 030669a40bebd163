package set

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/ident"
)

// PrepareSubscriber pins what text values mean, lifts limits meant for
// people, and switches triggers and foreign keys off where the role may: it
// tries once, as no catalogue tells everywhere.
func PrepareSubscriber(ctx context.Context, conn *pgx.Conn, try bool) (replica bool, err error) {
	_, err = conn.Exec(ctx, PinSQL+`; set idle_in_transaction_session_timeout = '10min'`)
	if err != nil || !try {
		return false, err
	}
	_, err = conn.Exec(ctx, `set session_replication_role = replica`)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return false, nil
	}
	return err == nil, err
}

// MayBeReplica tries session_replication_role in a transaction, or in a savepoint
// of one, that is rolled back.
func MayBeReplica(ctx context.Context, db interface {
	Begin(ctx context.Context) (pgx.Tx, error)
},
) (bool, error) {
	sub, err := db.Begin(ctx)
	if err != nil {
		return false, err
	}
	_, tried := sub.Exec(ctx, "set local session_replication_role = replica")
	if err := sub.Rollback(ctx); err != nil {
		return false, err
	}
	if tried != nil && SQLState(tried) != "42501" {
		return false, tried
	}
	return tried == nil, nil
}

// PrepareProvider pins what text values mean at the provider.
func PrepareProvider(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, PinSQL)
	return err
}

// PinSQL makes values read and written as text the same at both sides, and
// undoes what a database or role may have set for people. Rows hidden by a
// policy would be passed over in silence: rather an error. A program whose machine
// is gone shall not hold locks and snapshots for the two hours that kernels wait
// before they ask.
const PinSQL = `set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6;
	set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 3;
	set bytea_output = 'hex'; set lc_monetary = 'C'; set timezone = 'UTC'; set xmloption = 'content';
	set statement_timeout = 0; set lock_timeout = 0; set row_security = off;
	select set_config(name, '0', false) from pg_settings where name in ('transaction_timeout', 'idle_session_timeout');
	set session characteristics as transaction isolation level read committed, read write`

// CloseConn says goodbye, briefly.
func CloseConn(conn **pgx.Conn) {
	if *conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), CloseTimeout)
	defer cancel()
	_ = (*conn).Close(ctx)
	*conn = nil
}

// CloseTimeout is how long a connection may take to say goodbye.
const CloseTimeout = 5 * time.Second

// SQLState is the server's code of an error, "" where it is not the server's.
func SQLState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// TextColumn collects a column of text.
func TextColumn(ctx context.Context, q Queryer, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// InSavepoint runs fn so that its failure does not end the transaction.
func InSavepoint(ctx context.Context, tx pgx.Tx, fn func() error) error {
	if _, err := tx.Exec(ctx, "savepoint part"); err != nil {
		return err
	}
	err := fn()
	end := "release savepoint part"
	if err != nil {
		end = "rollback to savepoint part; release savepoint part"
	}
	if _, e := tx.Exec(ctx, end); e != nil {
		return e
	}
	return err
}

// One runs a query for a single value.
func One[T any](ctx context.Context, q Queryer, sql string, args ...any) (T, error) {
	var zero T
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return zero, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
}

// JoinQuoted lists identifiers for a statement.
func JoinQuoted(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident.Quote(n)
	}
	return strings.Join(quoted, ", ")
}
