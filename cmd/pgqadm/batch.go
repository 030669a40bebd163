package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) batchCommand() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "batch ID|CONSUMER", Short: "Show what is in an open batch", Args: cobra.ExactArgs(1),
		Long: "Shows an open batch, by its number or by the consumer that has it: its ticks, its events by type, and\n" +
			"the first of them. Nothing is changed.",
	}
	countFlag(cmd.Flags(), &limit, "limit", "n", "how many events to show, 0 for all")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		batches, err := findBatches(ctx, c)
		if err != nil {
			return err
		}
		var all []batchReport
		for _, b := range batches {
			report := batchReport{OpenBatch: b}
			if report.kinds, err = pgq.BatchKinds(ctx, c.conn, b.ID); err == nil {
				report.events, err = pgq.BatchEvents(ctx, c.conn, b.ID, limit)
			}
			if err != nil {
				return err
			}
			all = append(all, report)
		}
		if p.JSON() {
			return printBatchJSON(c, all)
		}
		return printBatches(c, all)
	})
	return p.WithJSON(cmd)
}

// findBatches finds the batch of that number, else the open ones of the
// consumer of that name.
func findBatches(ctx context.Context, c *call) ([]pgq.OpenBatch, error) {
	if id, err := strconv.ParseInt(c.args[0], 10, 64); err == nil {
		b, err := pgq.ReadOpenBatch(ctx, c.conn, id)
		if !errors.Is(err, pgq.ErrBatchNotFound) {
			return []pgq.OpenBatch{b}, err
		}
	}
	batches, err := pgq.OpenBatches(ctx, c.conn, c.args[0])
	if err == nil && len(batches) == 0 {
		err = hint.With(fmt.Errorf("no open batch %s, and no consumer of that name has one", c.args[0]),
			"consumers lists them; a batch is open from next_batch to finish_batch")
	}
	return batches, err
}

// batchReport is an open batch and what is in it.
type batchReport struct {
	pgq.OpenBatch
	kinds  []pgq.EventKind
	events []pgq.Event
}

func (r batchReport) total() (n int64) {
	for _, k := range r.kinds {
		n += k.Events
	}
	return n
}

// tables are the events by type, and the first of them.
func (r batchReport) tables() (kinds, events *cli.Table) {
	kinds = &cli.Table{Columns: []cli.Column{
		{Title: "Type", Key: "ev_type"},
		{Title: "Events", Key: "events", Right: true},
		{Title: "Retried", Key: "retried", Right: true},
		{Title: "First", Key: "first_ev_id", Right: true},
		{Title: "Last", Key: "last_ev_id", Right: true},
		{Title: "Data", Key: "data_bytes", Right: true},
	}}
	for _, k := range r.kinds {
		kinds.Add(cli.Brief(k.Type, 60), k.Events, k.Retried, int64(k.First), int64(k.Last), cli.Size(k.Bytes))
	}
	events = &cli.Table{Columns: eventColumns}
	for _, ev := range r.events {
		events.Add(eventCells(ev)...)
	}
	return kinds, events
}

func printBatches(c *call, all []batchReport) error {
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		fmt.Fprintln(c.out, ident.Visible(fmt.Sprintf("Batch %d of %s on queue %s: ticks %d to %d, %s to %s, lag %s, events: %d",
			r.ID, r.Consumer, r.Queue, r.PrevTick, r.Tick, clock(r.Begin).Text, clock(r.End).Text, cli.Age(r.Lag).Text, r.total())))
		kinds, events := r.tables()
		for _, t := range []*cli.Table{kinds, events} {
			if t.Len() == 0 {
				continue
			}
			fmt.Fprintln(c.out)
			if err := t.WriteText(c.out); err != nil {
				return err
			}
		}
		if shown := int64(len(r.events)); shown < r.total() {
			fmt.Fprintf(c.out, "and %d more\n", r.total()-shown)
		}
	}
	return nil
}

func printBatchJSON(c *call, all []batchReport) error {
	t := &cli.Table{Columns: []cli.Column{
		{Key: "batch_id"},
		{Key: "queue_name"},
		{Key: "consumer_name"},
		{Key: "prev_tick_id"},
		{Key: "tick_id"},
		{Key: "batch_start"},
		{Key: "batch_end"},
		{Key: "lag"},
		{Key: "types"},
		{Key: "events"},
	}}
	for _, r := range all {
		kinds, events := r.tables()
		t.Add(r.ID, r.Queue, r.Consumer, int64(r.PrevTick), int64(r.Tick), clock(r.Begin), clock(r.End), cli.Age(r.Lag), kinds, events)
	}
	return t.WriteJSON(c.out)
}
