package doctor

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/session"
)

// Result is what a check has found.
type Result string

// The results, the better first.
const (
	Sound   Result = "ok"
	Warning Result = "warning" // works, and somebody should look
	Failed  Result = "failed"  // does not work, or will not for long
	Unknown Result = "unknown" // could not be told
)

// ExitStatus is the one that a program ends with for the worst that it found.
func ExitStatus(r Result) int {
	switch r {
	case Sound:
		return 0
	case Unknown:
		return 2
	}
	return 1
}

// Finding is one thing that a check has found. A check that found nothing wrong
// has a finding, too.
type Finding struct {
	Check  string `json:"check"`
	Side   string `json:"side,omitempty"` // provider or subscriber, of a pair
	Node   string `json:"node,omitempty"` // the subscriber's, where several are looked at
	Result Result `json:"result"`
	Object string `json:"object"` // the queue or table; "" for the database or server
	Text   string `json:"text"`
	Why    string `json:"why"`  // it matters; "" where nothing is wrong
	Mend   string `json:"mend"` // what to do about it
}

// Lines are what a person reads of it: what, why it matters, what mends it.
func (f Finding) Lines() []string {
	lines := []string{f.Text}
	if f.Why != "" {
		lines = append(lines, "   "+f.Why)
	}
	if f.Mend != "" {
		lines = append(lines, "-> "+f.Mend)
	}
	return lines
}

// Check looks for one kind of trouble in an X: a database, or a pair of them.
type Check[X any] struct {
	Name  string
	Sound string // what is told when nothing is wrong
	Why   string // why what it finds matters
	Look  func(ctx context.Context, x X) ([]Finding, error)
}

// Run looks. No finding means sound. What could not be told, for want of a right
// say, is a finding; the error is the connection's. Where there is nothing that
// the check is about, see [ErrLacking], it tells nothing.
func (c Check[X]) Run(ctx context.Context, x X) ([]Finding, error) {
	found, err := c.Look(ctx, x)
	switch {
	case errors.Is(err, ErrLacking):
		return nil, nil
	case err != nil && !session.Outlived(err) && !overran(err):
		return found, err
	case err != nil:
		found = append(found, Finding{Result: Unknown, Text: err.Error(), Mend: cmp.Or(hint.Of(err), "run doctor as the owner of schema skytools")})
	case len(found) == 0:
		found = []Finding{{Result: Sound, Text: c.Sound}}
	}
	for i := range found {
		found[i].Check = cmp.Or(found[i].Check, c.Name) // one that a check has from others
		if found[i].Result != Sound && found[i].Why == "" {
			found[i].Why = c.Why
		}
	}
	return found, nil
}

// overran tells a statement that took too long: its session goes on.
func overran(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "57014"
}

// ErrLacking is what a check returns where the database has not got what it
// would look at.
var ErrLacking = errors.New("not there")

// patience is how long a check's statement may take. Nobody is kept waiting by
// a doctor who waits for a lock.
const patience = 30 * time.Second

// Query is a check's statement. It selects result, object, text and mend of each
// finding, and is run in a transaction that may only read.
//
// Who looks is often a superuser, and an operator in a schema that others may
// write to, such as public in old databases, would run as that: the path is
// pg_catalog alone. A pooler in transaction mode is no hindrance: no statement is prepared.
func Query(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]Finding, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // it only read: the error does not matter
	_, err = tx.Exec(ctx, `select set_config('search_path', 'pg_catalog, pg_temp', true), set_config('lock_timeout', $1, true),
		set_config('statement_timeout', $1, true)`, pgx.QueryExecModeExec, patience.String())
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (f Finding, err error) {
		err = row.Scan(&f.Result, &f.Object, &f.Text, &f.Mend)
		return f, err
	})
}
