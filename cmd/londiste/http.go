package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/web"
)

func (p *program) serveCommand() *cobra.Command {
	cmd, listen := cli.ServeCommand("replay", "replicating")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		l, err := web.ListenFor(*listen, c.listen)
		if err != nil {
			return err
		}
		var now atomic.Pointer[settings]
		now.Store(c.settings)
		server, done := webServer(&now, c.refresh, c.pair.Log)
		defer done()
		return server.Run(ctx, l)
	})
	return cmd
}

// webServer shows what the settings name that are in force.
func webServer(now *atomic.Pointer[settings], every time.Duration, log *slog.Logger) (server *web.Server, done func()) {
	g := &gauge{now: now}
	return &web.Server{
		Program: section, Version: cli.Version, Log: log, Every: every,
		Read: func(ctx context.Context) web.View {
			st := now.Load().subscriber().ReadStatus(ctx)
			st.Program = cli.Version
			return web.View{Set: st}
		},
		Lag:  g.look,
		Rows: web.NewRows(func(string) *pgx.ConnConfig { return now.Load().pair.Provider }),
	}, g.Close
}

// gauge is at the pair of the settings that are in force.
type gauge struct {
	londiste.Gauge
	now *atomic.Pointer[settings]
	of  *settings
}

func (g *gauge) look(ctx context.Context) (londiste.Lag, error) {
	if s := g.now.Load(); s != g.of {
		g.Close()
		g.of, g.Pair = s, s.pair
	}
	return g.Look(ctx)
}
