package main

import (
	"context"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) tickerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ticker", Short: "Make ticks and keep the queues small (daemon)", Args: cobra.NoArgs,
		Long: "Makes the ticks of all queues of the database and runs their maintenance.\n" +
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
		conn, err := connect(short, set.database)
		cancel()
		switch {
		case err == nil:
			closeConn(conn)
		case hint.Refused(err):
			return err
		}
		job.Ready()
		return cli.Reloading(ctx, job, set, p.settings, serve)
	})
}

// serve runs ticker and maintenance until one fails or the job is to end.
func serve(ctx context.Context, set settings, job cli.Job) error {
	both, ctx := errgroup.WithContext(ctx)
	ticker := &pgq.Ticker{
		Database: set.database, Log: job.Log, Stop: job.Stop,
		LoopDelay: set.loopDelay, TickInterval: set.tickInterval, StatsDelay: set.logDelay,
	}
	maintainer := &pgq.Maintainer{
		Database: set.database, Log: job.Log, Stop: job.Stop, Delay: set.maintDelay, Leads: ticker.Leads,
	}
	both.Go(func() error { return ticker.Run(ctx) })
	both.Go(func() error { return maintainer.Run(ctx) })
	return both.Wait()
}
