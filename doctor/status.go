package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// Status is the state of PgQ in one database; the table and JSON are its faces.
type Status struct {
	PostgresVersion   string           `json:"postgres_version"`
	PgqVersion        string           `json:"pgq_version"`
	Tickers           []ticker.Session `json:"tickers"`            // the leader first
	OtherTickers      []ticker.Session `json:"other_tickers"`      // of programs that know no leader
	Extension         bool             `json:"extension"`          // the real extension's schema pgq
	OldestTransaction *pgq.Transaction `json:"oldest_transaction"` // nil: none is running
	Queues            []pgq.Queue      `json:"queues"`
	Budgets           []pgq.Budget     `json:"queue_budgets"`      // of the queues that have one
	Aside             []pgq.Aside      `json:"events_aside"`       // retries and dead letters
	Warnings          []pgq.Backlog    `json:"backlog_warnings"`   // over a queue's policy
	Detached          []pgq.Detached   `json:"detached_consumers"` // because of it
}

// ReadStatus reads it.
func ReadStatus(ctx context.Context, conn *pgx.Conn) (Status, error) {
	number, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ")
	s := Status{PostgresVersion: number}
	if err := conn.QueryRow(ctx, `select coalesce(pgq.version(), '')`).Scan(&s.PgqVersion); err != nil {
		return s, fmt.Errorf("read PgQ's version: %w", err)
	}
	var err error
	if s.Tickers, err = ticker.Sessions(ctx, conn); err != nil {
		return s, err
	}
	if s.OtherTickers, err = ticker.OtherSessions(ctx, conn); err != nil {
		return s, err
	}
	if s.Extension, err = beside(ctx, conn); err != nil {
		return s, err
	}
	if s.OldestTransaction, err = pgq.OldestTransaction(ctx, conn); err != nil {
		return s, err
	}
	if s.Queues, err = pgq.Queues(ctx, conn); err != nil {
		return s, err
	}
	if s.Budgets, err = pgq.Budgets(ctx, conn); err != nil {
		return s, err
	}
	if s.Aside, err = pgq.EventsAside(ctx, conn); err != nil {
		return s, err
	}
	if s.Warnings, err = pgq.BacklogWarnings(ctx, conn); err != nil {
		return s, err
	}
	s.Detached, err = pgq.DetachedConsumers(ctx, conn)
	return s, err
}

// Budget is the budget of a queue in bytes; 0: it has none.
func (s Status) Budget(queue string) int64 {
	for _, b := range s.Budgets {
		if b.Queue == queue {
			return b.Bytes
		}
	}
	return 0
}

func (s Status) mendOther() string { return ticker.MendOther(s.Extension) }

// beside tells whether schema pgq is the real extension's: an extension's in
// which schema skytools is not.
func beside(ctx context.Context, conn *pgx.Conn) (extension bool, err error) {
	err = conn.QueryRow(ctx, `select exists (select from pg_extension where extname = 'pgq')
		and not exists (select from pg_depend where classid = 'pg_namespace'::regclass::oid and objid = to_regnamespace('skytools')::oid
			and refclassid = 'pg_extension'::regclass::oid and deptype = 'e')`).Scan(&extension)
	if err != nil {
		return false, fmt.Errorf("look for the extension: %w", err)
	}
	return extension, nil
}

// WriteText writes the tables of `pgqadm status`.
func (s Status) WriteText(w io.Writer) error {
	p := printer{w: w}
	p.line("Postgres version: %s   PgQ version: %s", s.PostgresVersion, s.PgqVersion)
	p.line("")
	width := 37
	for _, q := range s.Queues {
		width = max(width, utf8.RuneCountInString(q.Name))
	}
	rule := strings.Repeat("-", width+41)
	p.line("%-*s %12s %19s %7s", width, "Event queue", "Rotation", "Ticker", "TLag")
	p.line("%s", rule)
	for _, q := range s.Queues {
		p.line("%-*s %12s %19s %7s", width, q.Name,
			fmt.Sprintf("%d/%s", q.Tables, pgq.Seconds(q.RotationPeriod)),
			fmt.Sprintf("%d/%s/%s", q.MaxCount, pgq.Seconds(q.MaxLag), pgq.Seconds(q.IdlePeriod)),
			pgq.Seconds(q.TickerLag))
	}
	p.line("%s", rule)
	p.line("")
	p.line("%-*s %10s %9s", width+20, "Consumer", "Lag", "LastSeen")
	p.line("%s", rule)
	for _, q := range s.Queues {
		if len(q.Consumers) == 0 {
			continue
		}
		p.line("%s:", q.Name)
		for _, c := range q.Consumers {
			note := ""
			if c.HoldsRotation {
				note = "  holds up rotation"
			}
			p.line("    %-*s %10s %9s%s", width+16, c.Name, pgq.Seconds(c.Lag), pgq.Seconds(c.LastSeen), note)
		}
	}
	p.line("%s", rule)
	p.line("")
	for _, t := range s.Tickers {
		if t.Leads {
			p.line("Ticker: %s", t)
		} else {
			p.line("Standing by: %s", t)
		}
	}
	if len(s.Tickers) == 0 {
		for _, other := range s.OtherTickers {
			p.line("Ticker of another program: %s", other)
		}
	}
	for _, one := range s.Problems() {
		p.line("! %s", one)
	}
	return p.err
}

// Problem is something that wants doing, and what to do.
type Problem struct {
	Text string
	Mend string // a command, or a way to one
}

// String is a line of `pgqadm status`.
func (p Problem) String() string { return p.Text + ": " + p.Mend }

// Problems are what wants doing.
func (s Status) Problems() []Problem {
	var list []Problem
	if len(s.Tickers) > 0 {
		for _, other := range s.OtherTickers {
			list = append(list, Problem{fmt.Sprintf("%s ticks beside ours", other), s.mendOther()})
		}
	}
	if len(s.Tickers)+len(s.OtherTickers) == 0 {
		list = append(list, Problem{"no ticker is connected", "pgqadm INI ticker -d starts it"})
	}
	for _, q := range s.Queues {
		switch {
		case q.TickerPaused:
			list = append(list, Problem{"the ticker of queue " + q.Name + " is paused", "pgqadm INI config " + hint.Shell(q.Name) + " ticker_paused=0"})
		case len(s.Tickers) > 0 && q.Late():
			list = append(list, Problem{fmt.Sprintf("the last tick of queue %s is %s old", q.Name, pgq.Seconds(q.TickerLag)), "pgqadm INI doctor says what keeps the ticker"})
		}
	}
	for _, w := range s.Warnings {
		list = append(list, Problem{w.String(), w.Mend()})
	}
	for _, d := range s.Detached {
		list = append(list, Problem{d.String(), d.Mend()})
	}
	if t := s.OldestTransaction; t.Long() {
		list = append(list, Problem{t.String(), t.Mend})
	}
	return list
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, ident.Visible(fmt.Sprintf(format, args...))+"\n")
	}
}
