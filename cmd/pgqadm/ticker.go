package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/ticker"
)

func (p *program) tickerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ticker", Short: "Make ticks and keep the queues small (daemon)", Args: cobra.NoArgs,
		Long: "Makes the ticks of all queues and runs their maintenance: of the database in db, or of all\n" +
			"databases of the server in base_connstr that have PgQ; the ini file may be pgqd's.\n" +
			"It waits while the server is down or PgQ is not installed yet.",
		RunE: p.runTicker,
	}
}

func (p *program) runTicker(cmd *cobra.Command, _ []string) error {
	set, err := p.settings()
	if err != nil {
		return err
	}
	return p.Daemon(cmd.Context(), set.section, cmd.ErrOrStderr(), func(ctx context.Context, job cli.Job) error {
		// It sleeps nearly always and does one thing after the other. A second
		// processor would be woken to find nothing: a quarter of the idle cost.
		runtime.GOMAXPROCS(1)
		// What is wrong with the ini must be seen by who typed the command; a
		// server that is down is waited for.
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		conn, err := connect(short, set.database, set.key())
		cancel()
		switch {
		case err == nil:
			closeConn(conn)
		case hint.Refused(err):
			return err
		}
		l, err := set.listen.Listen()
		if err != nil {
			return err
		}
		job.Ready()
		server, done := webServer(set, job.Log)
		defer done()
		return server.Beside(ctx, l, func(ctx context.Context) error {
			return cli.Reloading(ctx, job, set, p.settings, serve)
		})
	})
}

// serve ticks and maintains until it fails or the job is to end.
func serve(ctx context.Context, set settings, job cli.Job) error {
	stats := &ticker.Stats{Log: job.Log, Every: set.logDelay}
	if set.server {
		return serveServer(ctx, set, job, stats)
	}
	return pair{set: set, log: job.Log, stats: stats}.run(ctx, set.database, job.Stop)
}

// serveServer serves the databases of a server, each by a pair of its own.
func serveServer(ctx context.Context, set settings, job cli.Job, stats *ticker.Stats) error {
	var all sync.WaitGroup
	defer all.Wait()
	cluster := &ticker.Cluster{
		Server: set.database, Only: set.only, Go: all.Go, Log: job.Log, CheckPeriod: set.checkPeriod, Stop: job.Stop,
		Serve: func(ctx context.Context, db *pgx.ConnConfig, stop <-chan struct{}) error {
			log := job.Log.With("database", db.Database)
			return pair{set: set, log: log, stats: stats, oneOfMany: true}.run(ctx, db, stop)
		},
	}
	return cluster.Run(ctx)
}

// pair is ticker and maintenance of one database.
type pair struct {
	set       settings
	log       *slog.Logger
	stats     *ticker.Stats
	oneOfMany bool
}

const (
	restDelay = 250 * time.Millisecond // between looks at a quiet database, one of many
	spread    = 10 * time.Second       // over which first rounds of maintenance are spread
)

// run runs both until one fails, ctx ends or stop is closed.
func (p pair) run(ctx context.Context, db *pgx.ConnConfig, stop <-chan struct{}) error {
	both, ctx := errgroup.WithContext(ctx)
	ticks := &ticker.Ticker{
		Database: db, Log: p.log, Stop: stop, Stats: p.stats, GiveUp: p.oneOfMany,
		LoopDelay: p.set.loopDelay, TickInterval: p.set.tickInterval, Lifetime: p.set.lifetime,
		DueDelay: p.set.retryDelay,
	}
	maintainer := &ticker.Maintainer{
		Database: db, Log: p.log, Stop: stop, Stats: p.stats, GiveUp: p.oneOfMany,
		Delay: p.set.maintDelay, Leads: ticks.Leads,
	}
	if p.oneOfMany {
		ticks.RestDelay = restDelay
		maintainer.Pause = rand.N(min(spread, p.set.maintDelay) + 1)
	}
	both.Go(func() error { return ticks.Run(ctx) })
	both.Go(func() error { return maintainer.Run(ctx) })
	return both.Wait()
}
