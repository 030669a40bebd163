package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

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
	var force bool
	cmd := &cobra.Command{
		Use: "drop QUEUE", Short: "Drop a queue that has no consumers", Args: cobra.ExactArgs(1),
		RunE: p.command(func(ctx context.Context, c *call) error {
			if _, err := findQueue(ctx, c); err != nil {
				return err
			}
			c.log.Info("Dropping queue: " + c.args[0])
			if force {
				return pgq.ForceDropQueue(ctx, c.conn, c.args[0])
			}
			return pgq.DropQueue(ctx, c.conn, c.args[0])
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also with its consumers, and what they have not read")
	return cmd
}

func (p *program) queuesCommand() *cobra.Command {
	columns := []cli.Column{
		{Title: "Queue", Key: "queue_name"},
		{Title: "New", Key: "ev_new", Right: true},
		{Title: "Events/s", Key: "ev_per_sec", Right: true},
		{Title: "Tick", Key: "last_tick_id", Right: true},
		{Title: "Tick age", Key: "ticker_lag", Right: true},
		{Title: "Rotated", Key: "rotated_ago", Right: true},
		{Title: "Size", Key: "queue_size", Right: true},
		{Title: "Consumers", Key: "consumers", Right: true},
		{Title: "Slowest", Key: "slowest_consumer"},
		{Title: "Lag", Key: "slowest_lag", Right: true},
		{Title: "State", Key: "state"},
	}
	return p.WithJSON(&cobra.Command{
		Use: "queues", Short: "List the queues", Args: cobra.NoArgs,
		Long: "Lists the queues: events since the last tick and per second, the last tick and its age, when the\n" +
			"event tables were last rotated and how large they are, the consumer that is farthest behind, and\n" +
			"what keeps the queue from its ordinary work.",
		RunE: p.everywhere(columns, func(ctx context.Context, c *call) error {
			queues, err := pgq.Queues(ctx, c.conn)
			for _, q := range queues {
				var slowest, lag any
				if s := q.Slowest(); s != nil {
					slowest, lag = s.Name, cli.Age(s.Lag)
				}
				c.add(q.Name, q.NewEvents, cli.Cell{Text: fmt.Sprintf("%.1f", q.EventsPerSec), Value: q.EventsPerSec},
					int64(q.LastTick), cli.Age(q.TickerLag), cli.Age(q.RotatedAgo), cli.Size(q.Size),
					len(q.Consumers), slowest, lag, cli.Words(q.State()))
			}
			return err
		}),
	})
}

// noQueue is [pgq.ErrQueueNotFound] in Skytools' words.
type noQueue string

func (q noQueue) Error() string { return "no such queue: " + string(q) }
func (q noQueue) Unwrap() error { return pgq.ErrQueueNotFound }

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
	err = noQueue(c.args[0])
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
		Long: "Shows the settings of all queues or of one, intervals in seconds, and the policies that are on; or\n" +
			"changes some of one. NAME= switches a policy off: max_attempts, dead_keep, backlog_…",
		RunE: p.command(func(ctx context.Context, c *call) error {
			if len(c.args) == 0 {
				queues, err := pgq.Queues(ctx, c.conn)
				if err != nil {
					return err
				}
				return p.printSettings(ctx, c, queues)
			}
			q, err := findQueue(ctx, c)
			if err != nil {
				return err
			}
			if len(c.args) == 1 {
				return p.printSettings(ctx, c, []pgq.Queue{q})
			}
			return changeSettings(ctx, c)
		}),
	})
}

func (p *program) printSettings(ctx context.Context, c *call, queues []pgq.Queue) error {
	w := c.out
	t := &cli.Table{Columns: []cli.Column{{Key: "queue_name"}}}
	for _, s := range (pgq.Queue{}).Settings() {
		t.Columns = append(t.Columns, cli.Column{Key: s.Name})
	}
	t.Columns = append(t.Columns, cli.Column{Key: "policy"})
	policies, err := pgq.Policies(ctx, c.conn)
	if err != nil && !errors.Is(err, pgq.ErrNotInstalled) {
		return err
	}
	for _, q := range queues {
		policy := policies[q.Name]
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
		for _, s := range policy.Settings() {
			if !p.JSON() {
				fmt.Fprintf(w, "    %-15s = %6s\n", s.Name, s.Value)
			}
		}
		t.Add(append(row, policy)...)
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
