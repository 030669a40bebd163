package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

// call is what a command works with.
type call struct {
	conn *pgx.Conn
	log  *slog.Logger
	out  io.Writer
	args []string
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
			db, err := p.oneDatabase(set)
			if err != nil {
				return err
			}
			conn, err := connect(ctx, db, set.key())
			if err != nil {
				return err
			}
			defer closeConn(conn)
			return work(ctx, &call{conn, log.Logger, cmd.OutOrStdout(), args})
		})
	}
}

func (p *program) createCommand() *cobra.Command {
	return &cobra.Command{
		Use: "create QUEUE", Short: "Create a queue", Args: cobra.ExactArgs(1),
		RunE: p.command(func(ctx context.Context, c *call) error {
			c.log.Info("Creating queue: " + c.args[0])
			created, err := pgq.CreateQueue(ctx, c.conn, c.args[0])
			if err == nil && !created {
				c.log.Info("Queue " + c.args[0] + " already exists")
			}
			return err
		}),
	}
}

func (p *program) dropCommand() *cobra.Command {
	return &cobra.Command{
		Use: "drop QUEUE", Short: "Drop a queue that has no consumers", Args: cobra.ExactArgs(1),
		RunE: p.command(func(ctx context.Context, c *call) error {
			if _, err := findQueue(ctx, c); err != nil {
				return err
			}
			c.log.Info("Dropping queue: " + c.args[0])
			return pgq.DropQueue(ctx, c.conn, c.args[0])
		}),
	}
}

func (p *program) registerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "register QUEUE CONSUMER", Short: "Register a consumer from the last tick on", Args: cobra.ExactArgs(2),
		RunE: p.command(func(ctx context.Context, c *call) error {
			if _, err := findQueue(ctx, c); err != nil {
				return err
			}
			c.log.Info(fmt.Sprintf("Registering consumer %s on queue %s", c.args[1], c.args[0]))
			added, err := pgq.Register(ctx, c.conn, c.args[0], c.args[1])
			if err == nil && !added {
				c.log.Info(fmt.Sprintf("Consumer %s is already registered on queue %s", c.args[1], c.args[0]))
			}
			return err
		}),
	}
}

func (p *program) unregisterCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unregister QUEUE CONSUMER", Short: "Unregister a consumer", Args: cobra.ExactArgs(2),
		RunE: p.command(func(ctx context.Context, c *call) error {
			if _, err := findQueue(ctx, c); err != nil {
				return err
			}
			c.log.Info(fmt.Sprintf("Unregistering consumer %s from queue %s", c.args[1], c.args[0]))
			found, err := pgq.Unregister(ctx, c.conn, c.args[0], c.args[1])
			if err == nil && !found {
				err = hint.With(fmt.Errorf("consumer %s is not registered on queue %s", c.args[1], c.args[0]), "status lists the consumers")
			}
			return err
		}),
	}
}

// findQueue finds the queue that the first argument names.
func findQueue(ctx context.Context, c *call) (pgq.Queue, error) {
	queues, err := pgq.Queues(ctx, c.conn)
	if err != nil {
		return pgq.Queue{}, err
	}
	q, err := pgq.FindQueue(queues, c.args[0])
	if err == nil {
		return q, nil
	}
	var names []string
	for _, q := range queues {
		names = append(names, q.Name)
	}
	err = fmt.Errorf("no such queue: %s", c.args[0])
	switch near := hint.Nearest(c.args[0], names); {
	case near != "":
		return q, hint.With(err, "did you mean %s?", near)
	case len(names) > 0:
		return q, hint.With(err, "there are: %s", strings.Join(names, ", "))
	}
	return q, hint.With(err, "there is none yet; create makes one")
}

func (p *program) configCommand() *cobra.Command {
	return p.WithJSON(&cobra.Command{
		Use: "config [QUEUE [NAME=VALUE ...]]", Short: "Show or change settings of queues", Args: cobra.ArbitraryArgs,
		Long: "Shows the settings of all queues or of one, intervals in seconds; or changes some of one.",
		RunE: p.command(func(ctx context.Context, c *call) error {
			if len(c.args) == 0 {
				queues, err := pgq.Queues(ctx, c.conn)
				if err != nil {
					return err
				}
				return p.printSettings(c.out, queues)
			}
			q, err := findQueue(ctx, c)
			if err != nil {
				return err
			}
			if len(c.args) == 1 {
				return p.printSettings(c.out, []pgq.Queue{q})
			}
			return changeSettings(ctx, c)
		}),
	})
}

func (p *program) printSettings(w io.Writer, queues []pgq.Queue) error {
	t := &cli.Table{Columns: []cli.Column{{Key: "queue_name"}}}
	for _, s := range (pgq.Queue{}).Settings() {
		t.Columns = append(t.Columns, cli.Column{Key: s.Name})
	}
	for _, q := range queues {
		row := []any{q.Name}
		if !p.JSON() {
			fmt.Fprintln(w, q.Name)
		}
		for _, s := range q.Settings() {
			row = append(row, json.RawMessage(s.Value)) // a number or a truth value
			if !p.JSON() {
				fmt.Fprintf(w, "    %-15s = %6s\n", s.Name, s.Value)
			}
		}
		t.Add(row...)
	}
	if p.JSON() {
		return t.WriteJSON(w)
	}
	return nil
}

func changeSettings(ctx context.Context, c *call) error {
	var changes []pgq.Setting
	var said []string
	for _, arg := range c.args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return hint.With(cli.Usage(fmt.Errorf("%q is not NAME=VALUE", arg)), "for example ticker_max_lag=5")
		}
		changes = append(changes, pgq.Setting{Name: name, Value: value})
		said = append(said, strings.TrimPrefix(name, "queue_")+"="+value)
	}
	err := pgq.SetConfig(ctx, c.conn, c.args[0], changes)
	if err == nil {
		c.log.Info(fmt.Sprintf("Change queue %s config to: %s", c.args[0], strings.Join(said, ", ")))
	}
	return err
}
