package pgq

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Status is the state of PgQ in one database; the table and JSON are its faces.
type Status struct {
	PostgresVersion   string          `json:"postgres_version"`
	PgqVersion        string          `json:"pgq_version"`
	Tickers           []TickerSession `json:"tickers"`            // the leader first
	OtherTickers      []TickerSession `json:"other_tickers"`      // of programs that know no leader
	Extension         bool            `json:"extension"`          // the real extension's schema pgq
	OldestTransaction *Transaction    `json:"oldest_transaction"` // nil: none is running
	Queues            []Queue         `json:"queues"`
	Warnings          []Backlog       `json:"backlog_warnings"`   // over a queue's policy
	Detached          []Detached      `json:"detached_consumers"` // because of it
}

// ReadStatus reads it.
func ReadStatus(ctx context.Context, conn *pgx.Conn) (Status, error) {
	number, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ")
	s := Status{PostgresVersion: number}
	if err := conn.QueryRow(ctx, `select coalesce(pgq.version(), '')`).Scan(&s.PgqVersion); err != nil {
		return s, fmt.Errorf("read PgQ's version: %w", err)
	}
	var err error
	if s.Tickers, err = Tickers(ctx, conn); err != nil {
		return s, err
	}
	if s.OtherTickers, err = OtherTickers(ctx, conn); err != nil {
		return s, err
	}
	if s.Extension, err = beside(ctx, conn); err != nil {
		return s, err
	}
	if s.OldestTransaction, err = OldestTransaction(ctx, conn); err != nil {
		return s, err
	}
	if s.Queues, err = Queues(ctx, conn); err != nil {
		return s, err
	}
	if s.Warnings, err = BacklogWarnings(ctx, conn); err != nil {
		return s, err
	}
	s.Detached, err = DetachedConsumers(ctx, conn)
	return s, err
}

func (s Status) besideMend() string { return besideMend(s.Extension) }

// beside tells whether schema pgq is the real extension's: an extension's in
// which schema skytools is not.
func beside(ctx context.Context, conn *pgx.Conn) (extension bool, err error) {
	err = conn.QueryRow(ctx, `select exists (select from pg_extension where extname = 'pgq')
		and not exists (select from pg_depend where classid = 'pg_namespace'::regclass and objid = to_regnamespace('skytools')
			and refclassid = 'pg_extension'::regclass and deptype = 'e')`).Scan(&extension)
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
			fmt.Sprintf("%d/%s", q.Tables, short(q.RotationPeriod)),
			fmt.Sprintf("%d/%s/%s", q.MaxCount, short(q.MaxLag), short(q.IdlePeriod)),
			short(q.TickerLag))
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
			p.line("    %-*s %10s %9s%s", width+16, c.Name, short(c.Lag), short(c.LastSeen), note)
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
	for _, other := range s.OtherTickers {
		if len(s.Tickers) > 0 {
			p.line("! %s ticks beside ours: %s", other, s.besideMend())
		} else {
			p.line("Ticker of another program: %s", other)
		}
	}
	if len(s.Tickers)+len(s.OtherTickers) == 0 {
		p.line("! no ticker is connected: pgqadm INI ticker -d starts it")
	}
	for _, w := range s.Warnings {
		p.line("! %s", w)
	}
	for _, d := range s.Detached {
		p.line("! %s", d)
	}
	if t := s.OldestTransaction; t.Long() {
		p.line("! %s", t)
	}
	return p.err
}

// short is a duration in whole seconds, or with parts where it is short.
func short(d time.Duration) string {
	if d%time.Second == 0 || d > 10*time.Second {
		return fmt.Sprintf("%ds", int64(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
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

func fine(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// MarshalJSON adds the durations, in seconds, under PgQ's names.
func (q Queue) MarshalJSON() ([]byte, error) {
	type plain Queue
	return json.Marshal(struct {
		plain
		RotationPeriod float64 `json:"queue_rotation_period"`
		MaxLag         float64 `json:"queue_ticker_max_lag"`
		IdlePeriod     float64 `json:"queue_ticker_idle_period"`
		TickerLag      float64 `json:"ticker_lag"`
	}{plain(q), fine(q.RotationPeriod), fine(q.MaxLag), fine(q.IdlePeriod), fine(q.TickerLag)})
}

// MarshalJSON adds the durations, in seconds, under PgQ's names.
func (c ConsumerInfo) MarshalJSON() ([]byte, error) {
	type plain ConsumerInfo
	return json.Marshal(struct {
		plain
		Lag      float64 `json:"lag"`
		LastSeen float64 `json:"last_seen"`
	}{plain(c), fine(c.Lag), fine(c.LastSeen)})
}
