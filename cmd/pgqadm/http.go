package main

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/web"
)

func (p *program) serveCommand() *cobra.Command {
	cmd, listen := cli.ServeCommand("ticker", "ticking")
	cmd.RunE = p.prepared(func(ctx context.Context, set settings, c *call) error {
		l, err := web.ListenFor(*listen, set.listen)
		if err != nil {
			return err
		}
		if p.database != "" {
			set.database.Database, set.server = p.database, false
		}
		server, done := webServer(set, c.log)
		defer done()
		return server.Run(ctx, l)
	})
	return cmd
}

// webServer shows the queues of the settings' database or server.
func webServer(set settings, log *slog.Logger) (server *web.Server, done func()) {
	databases := &web.Databases{Server: set.database, All: set.server, Only: set.only}
	rows := web.NewRows(func(database string) *pgx.ConnConfig {
		config := set.database.Copy()
		config.Database = database
		return config
	})
	return &web.Server{
		Program: "pgqadm", Version: cli.Version, Log: log, Every: set.refresh, Read: databases.Read, Rows: rows,
	}, databases.Close
}
