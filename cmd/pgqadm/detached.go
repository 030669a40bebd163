package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) detachedCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "detached", Short: "Consumers that were taken from their queue for their backlog"}
	columns := []cli.Column{
		{Title: "Queue", Key: "queue_name"},
		{Title: "Consumer", Key: "consumer_name"},
		{Title: "Detached", Key: "detached_at"},
		{Title: "Last tick", Key: "last_tick", Right: true},
		{Title: "Age", Key: "age", Right: true},
		{Title: "Bytes", Key: "bytes", Right: true},
		{Title: "Reason", Key: "reason"},
	}
	cmd.AddCommand(
		p.WithJSON(&cobra.Command{
			Use: "list [QUEUE]", Short: "List them, where they stood and how far behind they were", Args: cobra.MaximumNArgs(1),
			RunE: p.everywhere(columns, func(ctx context.Context, c *call) error {
				queue, _, err := c.queueAndConsumer(ctx)
				if err != nil {
					return err
				}
				list, err := pgq.DetachedConsumers(ctx, c.conn)
				for _, d := range list {
					if queue == "" || queue == d.Queue {
						c.add(d.Queue, d.Consumer, clock(d.At), int64(d.LastTick), cli.Age(d.Age), d.Bytes, d.Reason)
					}
				}
				return err
			}),
		}),
		p.detachedAttachCommand(), p.detachedForgetCommand())
	return cmd
}

func (p *program) detachedAttachCommand() *cobra.Command {
	var lossy bool
	cmd := &cobra.Command{
		Use: "attach QUEUE CONSUMER", Short: "Bring one back to where it stood", Args: cobra.ExactArgs(2),
		Long: "Brings a consumer back to where it stood, with its retry events and the batch that it had open. If rotation\n" +
			"has taken events after that since, it fails; with --lossy the consumer goes on with the oldest that are left.\n" +
			"While its backlog is over the limits that detached it, maintenance does so again: raise them before.",
	}
	cmd.Flags().BoolVar(&lossy, "lossy", false, "go on with what is left, although events are gone")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if _, err := findQueue(ctx, c); err != nil {
			return err
		}
		tick, err := pgq.AttachConsumer(ctx, c.conn, c.args[0], c.args[1], lossy)
		if err == nil {
			c.log.Info(fmt.Sprintf("Consumer %s stands on queue %s again, at tick %d", c.args[1], c.args[0], tick))
		}
		return err
	})
	return cmd
}

func (p *program) detachedForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget QUEUE CONSUMER", Short: "Give one up, with its retry events", Args: cobra.ExactArgs(2),
		RunE: p.command(func(ctx context.Context, c *call) error {
			if _, err := findQueue(ctx, c); err != nil {
				return err
			}
			found, err := pgq.ForgetDetached(ctx, c.conn, c.args[0], c.args[1])
			if err == nil && !found {
				err = hint.With(fmt.Errorf("consumer %s of queue %s is not detached", c.args[1], c.args[0]), "detached list shows those that are")
			}
			if err == nil {
				c.log.Info(fmt.Sprintf("Consumer %s of queue %s is given up", c.args[1], c.args[0]))
			}
			return err
		}),
	}
}
