package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// call is what a command works with.
type call struct {
	conn *pgx.Conn
	log  *slog.Logger
	in   io.Reader
	out  io.Writer
	args []string
	add  func(cells ...any) // a row of the table that everywhere prints
}

// command wraps the work of a command that needs the queues: settings, log and
// connection before, all closed after.
func (p *program) command(work func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return p.connected(func(ctx context.Context, c *call) error {
		if slices.Contains(c.args, "") {
			return cli.Usage(errors.New("a name is empty"))
		}
		if err := pgq.CheckInstalled(ctx, c.conn); err != nil {
			return err
		}
		return work(ctx, c)
	})
}

func (p *program) connected(work func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return p.prepared(func(ctx context.Context, set settings, c *call) error {
		db, err := p.oneDatabase(set)
		if err != nil {
			return err
		}
		return c.over(ctx, db, set.key(), work)
	})
}

// prepared has settings and log, and no connection yet.
func (p *program) prepared(work func(ctx context.Context, set settings, c *call) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		set, err := p.settings()
		if err != nil {
			return err
		}
		log, err := p.OpenLog(set.section, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer log.Close()
		return cli.Interruptible(cmd.Context(), func(ctx context.Context) error {
			return work(ctx, set, &call{log: log.Logger, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), args: args})
		})
	}
}

// over runs work over a connection to db; key holds its connection string.
func (c *call) over(ctx context.Context, db *pgx.ConnConfig, key string, work func(ctx context.Context, c *call) error) error {
	conn, err := connect(ctx, db, key)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	one := *c
	one.conn = conn
	return work(ctx, &one)
}

// everywhere wraps a command that prints a table. Where the ini file names a
// whole server and no --database is given, work adds the rows of one database
// after the other, and a column tells which.
func (p *program) everywhere(columns []cli.Column, work func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return p.prepared(func(ctx context.Context, set settings, c *call) error {
		t := &cli.Table{Columns: columns}
		c.add = t.Add
		installed := func(ctx context.Context, c *call) error {
			if err := pgq.CheckInstalled(ctx, c.conn); err != nil {
				return err
			}
			return work(ctx, c)
		}
		db, err := p.oneDatabase(set)
		switch {
		case err == nil:
			err = c.over(ctx, db, set.key(), installed)
		case set.server:
			t.Columns = append([]cli.Column{{Title: "Database", Key: "database"}}, columns...)
			err = p.eachDatabase(ctx, set, c, func(ctx context.Context, c *call) error {
				name := c.conn.Config().Database
				c.add = func(cells ...any) { t.Add(append([]any{name}, cells...)...) }
				return installed(ctx, c)
			})
		}
		if err == nil || t.Len() > 0 {
			err = errors.Join(p.Print(c.out, t), err)
		}
		return err
	})
}

// eachDatabase runs work in the databases of the server. One without PgQ, or
// without what the command names, is passed over as long as another has it.
func (p *program) eachDatabase(ctx context.Context, set settings, c *call, work func(ctx context.Context, c *call) error) error {
	var names []string
	err := c.over(ctx, set.database, set.key(), func(ctx context.Context, c *call) (err error) {
		names, err = ticker.Databases(ctx, c.conn)
		return err
	})
	if err != nil {
		return err
	}
	var lacking, failed error
	found := false
	for _, name := range names {
		if len(set.only) > 0 && !slices.Contains(set.only, name) {
			continue
		}
		db := set.database.Copy()
		db.Database = name
		switch err := c.over(ctx, db, set.key(), work); {
		case errors.Is(err, pgq.ErrQueueNotFound), errors.Is(err, pgq.ErrNotInstalled) && lacking == nil:
			lacking = err
		case errors.Is(err, pgq.ErrNotInstalled):
		case err != nil:
			failed = errors.Join(failed, hint.With(fmt.Errorf("database %s: %w", name, err), "%s", hint.Of(err)))
		default:
			found = true
		}
	}
	if !found && failed == nil {
		return lacking
	}
	return failed
}
