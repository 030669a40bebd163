package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) deadCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dead", Short: "Dead letters: events that their consumer gave up"}
	limit := 100
	columns := append([]cli.Column{
		{Title: "Dead", Key: "dead_id", Right: true},
		{Title: "Queue", Key: "queue_name"},
		{Title: "Consumer", Key: "consumer_name"},
		{Title: "Given up", Key: "dead_time"},
		{Title: "Reason", Key: "dead_reason"},
	}, eventColumns...)
	list := p.WithJSON(&cobra.Command{
		Use: "list [QUEUE [CONSUMER]]", Short: "List them, the oldest first", Args: cobra.MaximumNArgs(2),
		RunE: p.everywhere(columns, func(ctx context.Context, c *call) error {
			queue, consumer, err := c.queueAndConsumer(ctx)
			if err != nil {
				return err
			}
			events, err := pgq.DeadEvents(ctx, c.conn, queue, consumer, limit)
			for _, d := range events {
				c.add(append([]any{d.ID, d.Queue, d.Consumer, clock(d.Time), cli.Brief(d.Reason, 40)}, eventCells(d.Event)...)...)
			}
			return err
		}),
	})
	countFlag(list.Flags(), &limit, "limit", "n", "how many to list, 0 for all")
	cmd.AddCommand(list, p.deadReplayCommand(), p.deadPurgeCommand())
	return cmd
}

func (p *program) deadReplayCommand() *cobra.Command {
	return &cobra.Command{
		Use: "replay QUEUE CONSUMER DEAD ...|all", Short: "Deliver them to their consumer again", Args: cobra.MinimumNArgs(3),
		RunE: p.command(func(ctx context.Context, c *call) error {
			queue, consumer, err := c.queueAndConsumer(ctx)
			if err != nil {
				return err
			}
			ids, err := parseIDs[int64](c.args[2:])
			if err != nil {
				return err
			}
			n, err := pgq.ReplayDead(ctx, c.conn, queue, consumer, ids)
			if err == nil {
				c.log.Info(fmt.Sprintf("Replayed: %s of %s on queue %s", noun.Count(n, "event"), consumer, queue))
			}
			if err == nil && n < int64(len(ids)) {
				err = hint.With(fmt.Errorf("%d of %d are no dead letters of %s", int64(len(ids))-n, len(ids), consumer),
					"dead list %s %s shows those that are", hint.Shell(queue), hint.Shell(consumer))
			}
			return err
		}),
	}
}

func (p *program) deadPurgeCommand() *cobra.Command {
	var older time.Duration
	cmd := &cobra.Command{
		Use: "purge QUEUE CONSUMER", Short: "Delete them: they are lost", Args: cobra.ExactArgs(2),
	}
	cli.TimeVar(cmd.Flags(), &older, "older", 0, "only those given up longer ago than this")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if older < 0 {
			return cli.Usage(fmt.Errorf("--older %s is less than nothing: all would be deleted", older))
		}
		q, err := findQueue(ctx, c) // the consumer may be gone
		if err != nil {
			return err
		}
		n, err := pgq.PurgeDead(ctx, c.conn, q.Name, c.args[1], older)
		if err == nil {
			c.log.Info(fmt.Sprintf("Deleted: %s of %s on queue %s", noun.Count(n, "dead letter"), c.args[1], q.Name))
		}
		return err
	})
	return cmd
}
