package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) consumersCommand() *cobra.Command {
	columns := []cli.Column{
		{Title: "Queue", Key: "queue_name"},
		{Title: "Consumer", Key: "consumer_name"},
		{Title: "Lag", Key: "lag", Right: true},
		{Title: "Last seen", Key: "last_seen", Right: true},
		{Title: "Pending", Key: "pending_events", Right: true},
		{Title: "Last tick", Key: "last_tick", Right: true},
		{Title: "Batch", Key: "current_batch", Right: true},
		{Title: "State", Key: "state"},
	}
	return p.WithJSON(&cobra.Command{
		Use: "consumers [QUEUE]", Short: "List the consumers", Args: cobra.MaximumNArgs(1),
		Long: "Lists the consumers of all queues or of one: the age of the tick up to which each has read, its last\n" +
			"sign of life, how many events wait for it by the event sequence, its position and open batch.",
		RunE: p.everywhere(columns, func(ctx context.Context, c *call) error {
			if len(c.args) == 1 {
				if _, err := findQueue(ctx, c); err != nil {
					return err
				}
			}
			consumers, err := pgq.Consumers(ctx, c.conn)
			for _, s := range consumers {
				if len(c.args) == 1 && s.Queue != c.args[0] {
					continue
				}
				var batch any
				if s.Batch != 0 {
					batch = int64(s.Batch)
				}
				c.add(s.Queue, s.Name, cli.Age(s.Lag), cli.Age(s.LastSeen), s.PendingEvents, int64(s.LastTick), batch, cli.Words(s.State()))
			}
			return err
		}),
	})
}

// findConsumer tells whether the queue has the consumer.
func findConsumer(q pgq.Queue, name string) error {
	var names []string
	for _, c := range q.Consumers {
		if c.Name == name {
			return nil
		}
		names = append(names, c.Name)
	}
	err := fmt.Errorf("consumer %s is not registered on queue %s", name, q.Name)
	switch near := hint.Nearest(name, names); {
	case near != "":
		return hint.With(err, "did you mean %s?", near)
	case len(names) > 0:
		return hint.With(err, "there are: %s", strings.Join(names, ", "))
	}
	return hint.With(err, "it has none")
}

func (p *program) registerCommand() *cobra.Command {
	var at int64
	var like, member string
	cmd := &cobra.Command{
		Use: "register QUEUE CONSUMER", Short: "Register a consumer from the last tick on", Args: cobra.ExactArgs(2),
		Long: "Registers a consumer, from the queue's last tick on. With --at or --like it is placed at a tick, also one\n" +
			"that is registered already, and its open batch is forgotten.",
	}
	cmd.Flags().Int64Var(&at, "at", 0, "tick to place it at")
	cmd.Flags().StringVar(&like, "like", "", "consumer to place it beside")
	cmd.Flags().StringVar(&member, "member", "", "register this member of the consumer, which shares its batches with others")
	work := p.command(func(ctx context.Context, c *call) error {
		q, err := findQueue(ctx, c)
		if err != nil {
			return err
		}
		if at != 0 && like != "" || member != "" && (at != 0 || like != "") {
			return cli.Usage(errors.New("--at, --like and --member exclude each other"))
		}
		if member != "" {
			c.log.Info(fmt.Sprintf("Registering member %s of consumer %s on queue %s", member, c.args[1], c.args[0]))
			_, err := pgq.RegisterMember(ctx, c.conn, c.args[0], c.args[1], member)
			return err
		}
		tick := pgq.TickID(at)
		if like != "" {
			if err := findConsumer(q, like); err != nil {
				return err
			}
			i := slices.IndexFunc(q.Consumers, func(c pgq.ConsumerInfo) bool { return c.Name == like })
			tick = q.Consumers[i].LastTick
		}
		c.log.Info(fmt.Sprintf("Registering consumer %s on queue %s", c.args[1], c.args[0]))
		if tick != 0 {
			_, err := pgq.RegisterAt(ctx, c.conn, c.args[0], c.args[1], tick)
			return err
		}
		added, err := pgq.Register(ctx, c.conn, c.args[0], c.args[1])
		if err == nil && !added {
			c.log.Info(fmt.Sprintf("Consumer %s is already registered on queue %s", c.args[1], c.args[0]))
		}
		return err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("at") && at <= 0 {
			return cli.Usage(fmt.Errorf("--at: %d is no tick's number", at))
		}
		if err := notEmpty(cmd, "like", "member"); err != nil {
			return err
		}
		return work(cmd, args)
	}
	return cmd
}

// notEmpty refuses a flag that is given without a value: what an unset shell
// variable leaves is not the same as no flag.
func notEmpty(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return cli.Usage(fmt.Errorf("--%s is empty", name))
		}
	}
	return nil
}

func (p *program) unregisterCommand() *cobra.Command {
	var member string
	cmd := &cobra.Command{Use: "unregister QUEUE CONSUMER", Short: "Unregister a consumer", Args: cobra.ExactArgs(2)}
	cmd.Flags().StringVar(&member, "member", "", "unregister only this member; its open batch goes to another")
	work := p.command(func(ctx context.Context, c *call) error {
		if _, err := findQueue(ctx, c); err != nil {
			return err
		}
		what := "consumer " + c.args[1]
		unregister := func() (bool, error) { return pgq.Unregister(ctx, c.conn, c.args[0], c.args[1]) }
		if member != "" {
			what = fmt.Sprintf("member %s of consumer %s", member, c.args[1])
			unregister = func() (bool, error) { return pgq.UnregisterMember(ctx, c.conn, c.args[0], c.args[1], member) }
		}
		c.log.Info(fmt.Sprintf("Unregistering %s from queue %s", what, c.args[0]))
		found, err := unregister()
		if err == nil && !found {
			err = hint.With(fmt.Errorf("%s is not registered on queue %s", what, c.args[0]), "status lists the consumers")
		}
		return err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := notEmpty(cmd, "member"); err != nil {
			return err
		}
		return work(cmd, args)
	}
	return cmd
}
