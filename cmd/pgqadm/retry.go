package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) retryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "retry", Short: "Events that wait to be delivered again"}
	limit := 100
	columns := append([]cli.Column{
		{Title: "Queue", Key: "queue_name"},
		{Title: "Consumer", Key: "consumer_name"},
		{Title: "Due in", Key: "due_in", Right: true},
		{Key: "ev_retry_after"},
	}, eventColumns...)
	list := p.WithJSON(&cobra.Command{
		Use: "list [QUEUE [CONSUMER]]", Short: "List them, the first due first", Args: cobra.MaximumNArgs(2),
		RunE: p.everywhere(columns, func(ctx context.Context, c *call) error {
			queue, consumer, err := c.queueAndConsumer(ctx)
			if err != nil {
				return err
			}
			events, err := pgq.Retries(ctx, c.conn, queue, consumer, limit)
			for _, r := range events {
				c.add(append([]any{r.Queue, r.Consumer, dueIn(r), r.After}, eventCells(r.Event)...)...)
			}
			return err
		}),
	})
	countFlag(list.Flags(), &limit, "limit", "n", "how many to list, 0 for all")
	cmd.AddCommand(list,
		&cobra.Command{
			Use: "now QUEUE CONSUMER [EVENT ...]", Short: "Make them due at once, all or those with these ids", Args: cobra.MinimumNArgs(2),
			RunE: p.changeRetries("Due now", pgq.RetryNow),
		},
		&cobra.Command{
			Use: "purge QUEUE CONSUMER EVENT ...|all", Short: "Forget them: they are lost", Args: cobra.MinimumNArgs(3),
			RunE: p.changeRetries("Forgotten", pgq.PurgeRetries),
		})
	return cmd
}

func dueIn(r pgq.RetryEvent) cli.Cell {
	cell := cli.Age(r.In)
	if r.In <= 0 {
		cell.Text = "due"
	}
	return cell
}

// changeRetries is the work of a command with a queue, a consumer and ids.
func (p *program) changeRetries(done string, change func(context.Context, pgq.DB, string, string, []pgq.EventID) (int64, error)) func(*cobra.Command, []string) error {
	return p.command(func(ctx context.Context, c *call) error {
		queue, consumer, err := c.queueAndConsumer(ctx)
		if err != nil {
			return err
		}
		ids, err := parseIDs[pgq.EventID](c.args[2:])
		if err != nil {
			return err
		}
		n, err := change(ctx, c.conn, queue, consumer, ids)
		if err == nil {
			c.log.Info(fmt.Sprintf("%s: %s of %s on queue %s", done, noun.Count(n, "event"), consumer, queue))
		}
		if err == nil && n < int64(len(ids)) {
			err = hint.With(fmt.Errorf("not waiting for a retry: %d of %s", int64(len(ids))-n, noun.Count(len(ids), "event")),
				"retry list %s %s shows those that do", hint.Shell(queue), hint.Shell(consumer))
		}
		return err
	})
}

// parseIDs reads ids; `all`, or none, is nil.
func parseIDs[ID ~int64](args []string) ([]ID, error) {
	if len(args) == 1 && args[0] == "all" {
		return nil, nil
	}
	var ids []ID
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("%q is not a number", arg))
		}
		ids = append(ids, ID(id))
	}
	return ids, nil
}

// queueAndConsumer are the first two arguments, "" for one that is not given.
// What is given is there.
func (c *call) queueAndConsumer(ctx context.Context) (queue, consumer string, err error) {
	if len(c.args) == 0 {
		return "", "", nil
	}
	q, err := findQueue(ctx, c)
	if err != nil || len(c.args) == 1 {
		return q.Name, "", err
	}
	return q.Name, c.args[1], findConsumer(q, c.args[1])
}
