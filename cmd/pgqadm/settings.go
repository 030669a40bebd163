package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/web"
)

// keys are the keys of section [pgqadm], as `--ini` prints them.
var keys = slices.Concat(cli.CommonKeys, []conf.Key{
	{Name: "db", Doc: "Connection string of the database with the queues.", Sample: "dbname=db host=127.0.0.1"},
	{Name: "loop_delay", Unit: "seconds", Doc: "How often to look for new events.\nIf not set: 0.002 while events came in the last second, else 0.05."},
	{Name: "tick_interval", Default: "0.01", Unit: "seconds", Doc: "Least time between two ticks of a queue."},
	{Name: "maint_delay", Default: "300", Unit: "seconds", Doc: "How often to run maintenance."},
	{Name: "maint_delay_min", Unit: "minutes", Doc: "The same, in minutes; read if maint_delay is not set."},
	{Name: "ticker_log_delay", Default: "300", Unit: "seconds", Doc: "How often to log how much was done."},
	{Name: "queue_refresh_period", ReplacedBy: "new queues are seen at once"},
	{Name: "ticker_period", Unit: "seconds", Doc: "loop_delay by the name that pgqd has for it."},
	{Name: "maint_period", Unit: "seconds", Doc: "maint_delay by the name that pgqd has for it."},
	{Name: "stats_period", Unit: "seconds", Doc: "ticker_log_delay by the name that pgqd has for it."},
}, serverKeys("0"), web.Keys)

// pgqdKeys are the keys of section [pgqd].
var pgqdKeys = slices.Concat(cli.CommonKeys, serverKeys("1"), []conf.Key{
	{Name: "ticker_period", Unit: "seconds", Doc: "How often to look for new events.\nIf not set: 0.002 while events came in the last second, else 0.05; 0.25 after a quiet minute."},
	{Name: "tick_interval", Default: "0.01", Unit: "seconds", Doc: "Least time between two ticks of a queue."},
	{Name: "maint_period", Default: "120", Unit: "seconds", Doc: "How often to run maintenance."},
	{Name: "stats_period", Default: "30", Unit: "seconds", Doc: "How often to log how much was done."},
	{Name: "db", Doc: "Connection string of the only database to serve, instead of base_connstr."},
	{Name: "loop_delay", Unit: "seconds", Doc: "ticker_period by the name that pgqadm has for it."},
	{Name: "maint_delay", Unit: "seconds", Doc: "maint_period by the name that pgqadm has for it."},
	{Name: "maint_delay_min", Unit: "minutes", Doc: "The same, in minutes; read if maint_delay is not set."},
	{Name: "ticker_log_delay", Unit: "seconds", Doc: "stats_period by the name that pgqadm has for it."},
}, web.Keys)

// serverKeys are pgqd's keys for all databases of a server.
func serverKeys(syslog string) []conf.Key {
	return []conf.Key{
		{Name: "base_connstr", Doc: "Connection string without dbname: the ticker serves all databases of that server that have PgQ."},
		{Name: "initial_database", Default: "template1", Doc: "Where to read the list of databases, with base_connstr."},
		{Name: "database_list", Doc: "Comma list of the databases to serve, with base_connstr; all if not set."},
		{Name: "check_period", Default: "60", Unit: "seconds", Doc: "How often to look for new and dropped databases, and for PgQ in those that have none."},
		{Name: "retry_period", Default: "1", Unit: "seconds", Doc: "How often to bring events that are due, retries and delayed ones."},
		{Name: "connection_lifetime", Default: "3600", Unit: "seconds", Doc: "Age at which the ticker's connection is made anew."},
		{Name: "syslog", Default: syslog, Doc: "1: log to syslog too."},
		{Name: "syslog_ident", Default: "", Doc: "Name in syslog; job_name if not set."},
		{Name: "syslog_facility", Default: "daemon", Doc: "Facility in syslog."},
	}
}

// settings are the values of the section.
type settings struct {
	section      *conf.Section
	database     *pgx.ConnConfig // of a whole server, the initial one
	server       bool            // all its databases are meant, or those of only
	only         []string
	loopDelay    time.Duration // 0: adaptive
	tickInterval time.Duration
	maintDelay   time.Duration
	retryDelay   time.Duration
	logDelay     time.Duration
	checkPeriod  time.Duration
	lifetime     time.Duration
	listen       web.Address
	refresh      time.Duration // of what is served there
}

func (p *program) settings() (settings, error) {
	s, err := p.Section()
	if err != nil {
		return settings{}, err
	}
	maint, stats := 300*time.Second, 300*time.Second
	if s.Name == "pgqd" {
		maint, stats = 120*time.Second, 30*time.Second
	}
	maint = s.Duration("maint_period", maint)
	if minutes := s.Float("maint_delay_min", 0); minutes > 0 {
		maint = time.Duration(minutes * float64(time.Minute))
	}
	set := settings{
		section:      s,
		only:         s.List("database_list"),
		loopDelay:    s.Duration("loop_delay", s.Duration("ticker_period", 0)),
		tickInterval: s.Duration("tick_interval", 10*time.Millisecond),
		maintDelay:   s.Duration("maint_delay", maint),
		retryDelay:   s.Duration("retry_period", time.Second),
		logDelay:     s.Duration("ticker_log_delay", s.Duration("stats_period", stats)),
		checkPeriod:  s.Duration("check_period", time.Minute),
		lifetime:     s.Duration("connection_lifetime", time.Hour),
	}
	var bad error
	set.listen, set.refresh, bad = web.TakeKeys(s)
	return set, cli.Usage(errors.Join(p.connectionOf(&set), bad))
}

// connectionOf finds out which database or server the section means.
func (p *program) connectionOf(set *settings) error {
	s := set.section
	key, connString := "db", s.String("db", "")
	base, server := s.Get("base_connstr")
	switch {
	case connString != "" && server:
		return hint.With(fmt.Errorf("%s: db and base_connstr exclude each other", s.Where("base_connstr")),
			"db for one database, base_connstr for all of a server")
	case server, connString == "" && s.Name == "pgqd":
		key, connString, set.server = "base_connstr", base, true
	default:
		s.Need("db")
	}
	for _, key := range []string{"database_list", "initial_database"} {
		if _, given := s.Get(key); given && !set.server {
			return hint.With(fmt.Errorf("%s: %s goes with base_connstr: db names the only database", s.Where(key), key),
				"base_connstr for all databases of a server, or those of database_list; else take the key out")
		}
	}
	initial := s.String("initial_database", "template1")
	if err := s.Err(); err != nil {
		return err
	}
	var err error
	if set.database, err = parseDB(s, key, connString, p.Name); err == nil && set.server {
		set.database.Database = initial
	}
	return err
}

// key is the key with the connection string.
func (set settings) key() string {
	if set.server {
		return "base_connstr"
	}
	return "db"
}

// oneDatabase is the database that a command works in: the section's, or of a
// whole server the one that --database names.
func (p *program) oneDatabase(set settings) (*pgx.ConnConfig, error) {
	config := set.database.Copy()
	switch {
	case p.database != "":
		config.Database = p.database
	case set.server && len(set.only) == 1:
		config.Database = set.only[0]
	case set.server:
		return nil, hint.With(cli.Usage(errors.New("which database? the ini file names a whole server")), "--database NAME")
	}
	return config, nil
}

// connect connects for a command.
func connect(ctx context.Context, cfg *pgx.ConnConfig, key string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, hint.Connect(err, &cfg.Config, "database", key)
	}
	return conn, nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
