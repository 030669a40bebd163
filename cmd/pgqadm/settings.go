package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/hint"
)

// keys are the keys of section [pgqadm], as `--ini` prints them.
var keys = slices.Concat(cli.CommonKeys, []conf.Key{
	{Name: "db", Doc: "Connection string of the database with the queues.", Sample: "dbname=db host=127.0.0.1"},
	{Name: "loop_delay", Unit: "seconds", Doc: "How often to look for new events.\nIf not set: 0.002 while events came in the last second, else 0.05."},
	{Name: "tick_interval", Default: "0.01", Unit: "seconds", Doc: "Least time between two ticks of a queue."},
	{Name: "maint_delay", Default: "300", Unit: "seconds", Doc: "How often to run maintenance."},
	{Name: "maint_delay_min", Unit: "minutes", Doc: "The same, in minutes; read if maint_delay is not set."},
	{Name: "ticker_log_delay", Default: "300", Unit: "seconds", Doc: "How often to log the number of ticks."},
	{Name: "queue_refresh_period", ReplacedBy: "new queues are seen at once"},
	{Name: "retry_period", ReplacedBy: "events to be retried are moved by maintenance, see maint_delay"},
	{Name: "check_period", ReplacedBy: "a database without PgQ is looked at again all the time"},
	{Name: "ticker_period", Doc: "loop_delay by the name that pgqd has for it.", Unit: "seconds"},
	{Name: "maint_period", Doc: "maint_delay by the name that pgqd has for it.", Unit: "seconds"},
})

// settings are the values of the section.
type settings struct {
	section      *conf.Section
	database     *pgx.ConnConfig
	loopDelay    time.Duration // 0: adaptive
	tickInterval time.Duration
	maintDelay   time.Duration
	logDelay     time.Duration
}

func (p *program) settings() (settings, error) {
	s, err := p.Section()
	if err != nil {
		return settings{}, err
	}
	minutes := s.Float("maint_delay_min", 0)
	maint := s.Duration("maint_period", 300*time.Second)
	if minutes > 0 {
		maint = time.Duration(minutes * float64(time.Minute))
	}
	set := settings{
		section:      s,
		loopDelay:    s.Duration("loop_delay", s.Duration("ticker_period", 0)),
		tickInterval: s.Duration("tick_interval", 10*time.Millisecond),
		maintDelay:   s.Duration("maint_delay", maint),
		logDelay:     s.Duration("ticker_log_delay", 300*time.Second),
	}
	db := s.Need("db")
	if err := s.Err(); err != nil {
		if _, pgqd := s.Get("base_connstr"); pgqd && db == "" {
			err = hint.With(err, "one process ticks one database: db = what base_connstr says, and its dbname")
		}
		return settings{}, err
	}
	set.database, err = dsn.Parse(db)
	if err != nil {
		return settings{}, fmt.Errorf("%s: db: %w", s.Where("db"), err)
	}
	if set.database.RuntimeParams["application_name"] == "" {
		set.database.RuntimeParams["application_name"] = p.Name
	}
	return set, nil
}

// connect connects for a command.
func connect(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, hint.Connect(err, &cfg.Config, "database", "db")
	}
	return conn, nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
