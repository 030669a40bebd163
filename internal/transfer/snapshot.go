package transfer

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Snapshot is one that other connections may read by while it is open.
type Snapshot struct {
	Text string // as txid_current_snapshot() writes it
	tx   pgx.Tx
	id   string
}

// TakeSnapshot opens one over a connection that is given to it until Close.
func TakeSnapshot(ctx context.Context, conn *pgx.Conn) (*Snapshot, error) {
	tx, err := begin(ctx, conn)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{tx: tx}
	// Others read by it while its own session only waits.
	_, err = tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0")
	if err == nil {
		err = tx.QueryRow(ctx, "select txid_current_snapshot()::text, pg_export_snapshot()").Scan(&s.Text, &s.id)
	}
	if err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// Close ends it. Transactions that have begun to read by it go on.
func (s *Snapshot) Close(ctx context.Context) { _ = s.tx.Rollback(context.WithoutCancel(ctx)) }

func begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	return conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
}

// Read runs fn in a transaction of another connection that reads by the
// snapshot, under a lock that keeps table from being rewritten meanwhile. It
// waits for that lock no longer than wait: whoever holds the table against
// readers may never end.
func (s *Snapshot) Read(ctx context.Context, conn *pgx.Conn, table ident.Name, wait time.Duration, fn func(tx pgx.Tx) error) error {
	tx, err := begin(ctx, conn)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"set transaction snapshot " + ident.Literal(s.id),
		fmt.Sprintf("set local lock_timeout = '%dms'", wait.Milliseconds()),
		// As a statement of its own it is granted before anything is looked at.
		"lock table only " + table.SQL() + " in access share mode",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
	}
	return fn(tx)
}
