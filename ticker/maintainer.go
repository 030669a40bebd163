package ticker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
)

// Maintainer keeps the queues of one database small: it rotates event tables,
// brings back events whose retry is due, thins old ticks, and runs whatever
// else pgq.maint_operations lists. Each call is a transaction of its own; the
// two steps of a rotation must be. It connects for each round.
type Maintainer struct {
	Database *pgx.ConnConfig
	Log      *slog.Logger
	Delay    time.Duration   // between rounds; default 5 min
	Pause    time.Duration   // before the first round
	LockWait time.Duration   // for one operation's locks; default 10 s
	Stats    *Stats          // what it counts in; nil: none
	Stop     <-chan struct{} // closed: leave after the round; may be nil
	Leads    func() bool     // whether it is this process that works; nil: always. See [Ticker.Leads]
	// GiveUp makes Run return what it would wait for, a [NotReady] among it,
	// to a caller that comes back later.
	GiveUp bool

	wait notice.Notice
}

// Run maintains until ctx ends or Stop is closed.
func (m *Maintainer) Run(ctx context.Context) error {
	m.Log = notice.Logger(m.Log)
	m.wait = notice.Notice{Log: m.Log}
	if m.Delay <= 0 {
		m.Delay = 5 * time.Minute
	}
	if m.Stats == nil {
		m.Stats = &Stats{}
	}
	loop.Sleep(ctx, m.Pause, m.Stop)
	l := loop.Loop{
		MaxBackoff: 20 * time.Second,
		Stop:       m.Stop,
		OnError:    func(err error, _ time.Duration) { m.wait.Waiting("maintenance waits: " + notice.Explain(err)) },
	}
	return l.Run(ctx, func(ctx context.Context) (bool, error) {
		if m.Leads != nil && !m.Leads() {
			loop.Sleep(ctx, waitDelay, m.Stop)
			return true, nil
		}
		ready, err := m.connectAndRun(ctx)
		switch {
		case err != nil:
			if m.GiveUp {
				err = loop.Permanent(err)
			}
			return false, err
		case ready:
			m.wait.Over("maintenance works")
			loop.Sleep(ctx, m.Delay, m.Stop)
		default: // the ticker says why
			loop.Sleep(ctx, waitDelay, m.Stop)
		}
		return true, nil
	})
}

func (m *Maintainer) connectAndRun(ctx context.Context) (ready bool, err error) {
	wait := m.LockWait
	if wait <= 0 {
		wait = 10 * time.Second
	}
	db := m.Database.Copy()
	db.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" { // of a backlog, or a consumer that goes
			m.Log.Warn(fmt.Sprintf("maintenance: %s; hint: %s", n.Message, n.Hint))
		}
	}
	conn, err := session.Open(ctx, db, wait)
	if err != nil {
		return false, err
	}
	defer session.Close(ctx, conn)
	reason, err := unready(ctx, conn)
	switch {
	case err != nil:
		return false, err
	case reason != "" && m.GiveUp:
		return false, &NotReady{reason}
	case reason != "":
		return false, nil
	}
	return true, maintain(ctx, conn, m.Log, m.Stats)
}

// Maintain does one round of maintenance. An operation that the server refuses
// is logged and does not keep the others from running; it is tried again in
// the next round.
func Maintain(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	return maintain(ctx, conn, log, &Stats{})
}

func maintain(ctx context.Context, conn *pgx.Conn, log *slog.Logger, stats *Stats) error {
	operations, err := maintOperations(ctx, conn)
	if err != nil {
		return fmt.Errorf("list maintenance operations: %w", err)
	}
	for _, op := range operations {
		log.Debug("maintenance: " + op.String())
		total, err := op.run(ctx, conn)
		switch {
		case err != nil && !session.Outlived(err):
			return fmt.Errorf("%s: %w", op, err)
		case err != nil:
			log.Warn(fmt.Sprintf("maintenance: %s: %s", op, notice.Explain(err)))
		case op.retries:
			stats.add(0, 0, total)
		default:
			stats.add(0, 1, 0)
		}
	}
	return warnOfSlow(ctx, conn, log)
}

// warnOfSlow names the consumers because of which event tables only grow.
func warnOfSlow(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	consumers, err := pgq.Consumers(ctx, conn)
	for _, c := range consumers {
		if c.HoldsRotation && !c.Bookkeeping() {
			log.Warn(fmt.Sprintf("queue %s grows: rotation waits for consumer %s, which is %s behind and was seen %s ago",
				c.Queue, c.Name, pgq.Seconds(c.Lag), pgq.Seconds(c.LastSeen)))
		}
	}
	return err
}

// operation is one call of maintenance.
type operation struct {
	function string
	arg      *string
	again    func(result int64) bool // on which result it is called once more
	retries  bool                    // its results count events brought back
}

// retryEvents moves the events whose retry is due, some a call.
func retryEvents() operation {
	return operation{function: "pgq.maint_retry_events", again: func(n int64) bool { return n > 0 }, retries: true}
}

func (op operation) String() string {
	if op.arg == nil {
		return op.function
	}
	return op.function + " " + *op.arg
}

// maintOperations lists a round: what PgQ's own list has, then the retry
// queue, then each queue's old ticks.
func maintOperations(ctx context.Context, conn *pgx.Conn) ([]operation, error) {
	// The real extension's rotation would lose the events of a writer with an
	// old snapshot: ours looks first, and then calls it.
	rows, err := conn.Query(ctx, `select case when func_name = 'pgq.maint_rotate_tables_step1' and skytools.beside_extension()
			then 'skytools.rotate_extension' else func_name end, func_arg from pgq.maint_operations()`)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (operation, error) {
		op := operation{again: func(n int64) bool { return n == 1 }}
		err := row.Scan(&op.function, &op.arg)
		return op, err
	})
	if err != nil {
		return nil, err
	}
	list = append(list, retryEvents())
	rows, err = conn.Query(ctx, `select queue_name from pgq.queue order by 1`)
	if err != nil {
		return nil, err
	}
	queues, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, queue := range queues {
		list = append(list, operation{
			function: "skytools.maint_thin_ticks", arg: &queue,
			again: func(int64) bool { return false },
		})
	}
	return list, err
}

// commit makes the call that do is: each is a transaction of its own.
func (op operation) commit(do func() error) error {
	switch op.function {
	case "pgq.maint_rotate_tables_step1", "skytools.rotate_extension", "pgq.maint_rotate_tables_step2":
		return failpoint.Commit(failpoint.Rotate, do)
	}
	return failpoint.Commit(failpoint.Maintain, do)
}

// run calls the operation as often as it asks for and returns the sum of its
// results.
func (op operation) run(ctx context.Context, conn *pgx.Conn) (total int64, err error) {
	if op.function == "vacuum" && op.arg != nil {
		table, err := ident.Parse(*op.arg)
		if err != nil {
			return 0, err
		}
		return 0, op.commit(func() error {
			_, err := conn.Exec(ctx, "vacuum "+table.SQL())
			return err
		})
	}
	name, err := ident.Parse(op.function)
	if err != nil {
		return 0, err
	}
	sql, args := "select "+name.SQL()+"()", []any{}
	if op.arg != nil {
		sql, args = "select "+name.SQL()+"($1)", []any{*op.arg}
	}
	for {
		var result *int64
		err := op.commit(func() error {
			return conn.QueryRow(ctx, sql, args...).Scan(&result)
		})
		if err != nil || result == nil {
			return total, err
		}
		if total += *result; !op.again(*result) {
			return total, nil
		}
	}
}
