package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
)

func (p *program) replayCommand() *cobra.Command {
	var rewind, reset bool
	var maxRate string
	cmd := &cobra.Command{
		Use: "replay", Short: "Replicate: copy tables, apply changes, follow sequences", Args: cobra.NoArgs,
		Long: `Runs until it is stopped; -d puts it into the background. -s stops it after the
batch under way, -k at once. -r has it open its log anew and go on with what the
ini file says now, pidfile and the log's keys excepted.`,
	}
	cmd.Flags().BoolVar(&rewind, "rewind", false, "set the provider's idea of the position to the subscriber's, and exit")
	cmd.Flags().BoolVar(&reset, "reset", false, "forget the subscriber's position, and exit")
	cmd.Flags().StringVar(&maxRate, "max-rate", "", "bytes a second of all copies together, 10MB say, instead of copy_max_rate")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rate, ok := conf.ParseSize(maxRate)
		switch {
		case maxRate != "" && !ok:
			return cli.Usage(fmt.Errorf("--max-rate %q is not a size like 500kB or 10MB", maxRate))
		case rewind && reset:
			return cli.Usage(errors.New("--rewind and --reset exclude each other"))
		case rewind:
			return p.repair((*replay.Worker).Rewind)(cmd, args)
		case reset:
			return p.repair((*replay.Worker).Reset)(cmd, args)
		}
		return p.replay(cmd, func(s *settings) {
			if maxRate != "" {
				s.pace.MaxRate = rate
			}
		})
	}
	return cmd
}

func (p *program) repair(run func(*replay.Worker, context.Context) error) func(*cobra.Command, []string) error {
	return p.command(func(ctx context.Context, c *call) error {
		if c.fake {
			return hint.With(errors.New("--rewind and --reset have no dry run, and the ini file says fake = 1"), "set fake = 0 to do it")
		}
		return run(c.worker(), ctx)
	})
}

// replay is the daemon; override has flags win over the ini file, also after
// that was read anew.
func (p *program) replay(cmd *cobra.Command, override func(s *settings)) error {
	sec, err := p.Section()
	if err != nil {
		return err
	}
	s, err := take(sec)
	if err != nil {
		return err
	}
	return p.Daemon(cmd.Context(), sec, cmd.ErrOrStderr(), func(ctx context.Context, job cli.Job) error {
		s.pair.Log = job.Log
		// What is wrong with the ini must be seen by who typed the command; a
		// server that is down is waited for.
		if err := londiste.Preflight(ctx, &s.pair); err != nil {
			return err
		}
		l, err := s.listen.Listen()
		if err != nil {
			return err
		}
		job.Ready()
		override(s)
		var now atomic.Pointer[settings]
		now.Store(s)
		server, done := webServer(&now, s.refresh, job.Log)
		defer done()
		return server.Beside(ctx, l, func(ctx context.Context) error {
			return cli.Reloading(ctx, job, s, func() (*settings, error) {
				s, err := p.settings()
				if err == nil {
					override(s)
					now.Store(s)
				}
				return s, err
			}, serve)
		})
	})
}

func serve(ctx context.Context, s *settings, job cli.Job) error {
	s.pair.Log = job.Log
	w := s.worker()
	w.Stop = job.Stop
	w.Stats = func(st replay.Stats) {
		job.Log.Info(fmt.Sprintf("{count: %d, ignored: %d, duration: %.3f}", st.Events, st.Ignored, st.Duration.Seconds()))
	}
	job.Log.Info("Replaying queue " + s.pair.Queue + " as " + s.pair.ConsumerName())
	return w.Run(ctx)
}
