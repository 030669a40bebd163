package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/cli"
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
		job.Ready()
		for {
			again, err := serve(ctx, set, job)
			if err != nil || !again {
				return err
			}
			fresh, err := p.settings()
			if err != nil {
				job.Log.Error("reload: the old settings stay", slog.Any("error", err))
				continue
			}
			job.Log.Info("Settings reloaded")
			set = fresh
		}
	})
}

// serve runs ticker and maintenance until one fails, the job is to end, or its
// settings are to be read again.
func serve(ctx context.Context, set settings, job cli.Job) (again bool, err error) {
	stop, ended := make(chan struct{}), make(chan struct{})
	both, ctx := errgroup.WithContext(ctx)
	ticker := &pgq.Ticker{
		Database: set.database, Log: job.Log, Stop: stop,
		LoopDelay: set.loopDelay, TickInterval: set.tickInterval, StatsDelay: set.logDelay,
	}
	maintainer := &pgq.Maintainer{Database: set.database, Log: job.Log, Stop: stop, Delay: set.maintDelay}
	both.Go(func() error { return ticker.Run(ctx) })
	both.Go(func() error { return maintainer.Run(ctx) })
	go func() {
		defer close(ended)
		err = both.Wait()
	}()
	select {
	case <-job.Reload:
		again = true
	case <-job.Stop:
	case <-ended:
	}
	close(stop)
	<-ended
	return again && err == nil, err
}
