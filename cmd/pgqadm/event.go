package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

// eventColumns are an event's columns of every table that lists some. Beside
// its type and data a person sees extra1, which is often a table's name.
var eventColumns = []cli.Column{
	{Title: "Event", Key: "ev_id", Right: true},
	{Title: "Time", Key: "ev_time"},
	{Title: "Retry", Key: "ev_retry", Right: true},
	{Title: "Type", Key: "ev_type"},
	{Title: "Data", Key: "ev_data"},
	{Title: "Extra1", Key: "ev_extra1"},
	{Key: "ev_extra2"},
	{Key: "ev_extra3"},
	{Key: "ev_extra4"},
}

// eventCells are the cells of eventColumns.
func eventCells(ev pgq.Event) []any {
	brief := func(b []byte, width int) any {
		if b == nil {
			return nil
		}
		return cli.Brief(string(b), width)
	}
	return []any{
		int64(ev.ID), clock(ev.Time), ev.Retry, cli.Brief(ev.Type, 40), brief(ev.Data, 60), brief(ev.Extra1, 30),
		brief(ev.Extra2, 30), brief(ev.Extra3, 30), brief(ev.Extra4, 30),
	}
}

// clock is a moment in local time; in JSON with its zone.
func clock(t time.Time) cli.Cell {
	return cli.Cell{Text: t.Local().Format(time.DateTime), Value: t}
}

func (p *program) insertCommand() *cobra.Command {
	var at, key string
	var keep time.Duration
	cmd := &cobra.Command{
		Use: "insert QUEUE TYPE DATA [EXTRA1 [EXTRA2 [EXTRA3 [EXTRA4]]]]", Short: "Insert an event",
		Args: cobra.RangeArgs(3, 7),
		Long: "Inserts an event and prints its id. DATA - is read from stdin.\n" +
			"With --at it is inserted at that time, and the number printed is that of the delayed event;\n" +
			"with --key it is inserted once only: the same key again prints the id of the event that is there.",
	}
	cmd.Flags().StringVar(&at, "at", "", "when to insert it: a time as PostgreSQL reads it, such as '2026-12-24 18:00' or 'tomorrow', or '+5 min' from now")
	cmd.Flags().StringVar(&key, "key", "", "key under which it is inserted once")
	cli.TimeVar(cmd.Flags(), &keep, "keep", 24*time.Hour, "how long the key is remembered")
	cmd.RunE = p.connected(func(ctx context.Context, c *call) error {
		if err := notEmpty(cmd, "at"); err != nil {
			return err
		}
		once := cmd.Flags().Changed("key")
		if at != "" && once {
			return cli.Usage(errors.New("--at and --key exclude each other"))
		}
		if err := pgq.CheckInstalled(ctx, c.conn); err != nil {
			return err
		}
		if _, err := findQueue(ctx, c); err != nil {
			return err
		}
		ev, err := c.event()
		if err != nil {
			return err
		}
		switch {
		case at != "":
			return p.insertAt(ctx, c, at, ev)
		case once:
			return p.insertOnce(ctx, c, key, keep, ev)
		}
		id, err := c.producer().Insert(ctx, c.conn, ev)
		if err != nil {
			return err
		}
		return p.printID(c, "ev_id", int64(id), true)
	})
	return p.WithJSON(cmd)
}

func (c *call) producer() *pgq.Producer { return &pgq.Producer{Queue: c.args[0]} }

func (p *program) insertAt(ctx context.Context, c *call, at string, ev pgq.Event) error {
	var when time.Time
	sql := `select $1::text::timestamptz`
	if strings.HasPrefix(at, "+") {
		sql = `select now() + $1::text::interval`
	}
	if err := c.conn.QueryRow(ctx, sql, at).Scan(&when); err != nil {
		return hint.With(cli.Usage(fmt.Errorf("--at: %w", err)), "for example --at '2026-12-24 18:00', or --at '+5 min'")
	}
	id, err := c.producer().InsertAt(ctx, c.conn, when, ev)
	if err != nil {
		return err
	}
	return p.printID(c, "delayed_id", id, true)
}

func (p *program) insertOnce(ctx context.Context, c *call, key string, keep time.Duration, ev pgq.Event) error {
	id, isNew, err := c.producer().InsertOnce(ctx, c.conn, key, keep, ev)
	if err != nil {
		return err
	}
	if !isNew {
		c.log.Info("The key has been used: nothing inserted")
	}
	return p.printID(c, "ev_id", int64(id), isNew)
}

// printID prints the number that an insert has returned.
func (p *program) printID(c *call, name string, id int64, isNew bool) error {
	if p.JSON() {
		_, err := fmt.Fprintf(c.out, "{%q: %d, \"is_new\": %v}\n", name, id, isNew)
		return err
	}
	_, err := fmt.Fprintln(c.out, id)
	return err
}

// event is what the arguments after the queue say.
func (c *call) event() (pgq.Event, error) {
	ev := pgq.Event{Type: c.args[1]}
	for i, arg := range c.args[2:] {
		data := []byte(arg)
		if i == 0 && arg == "-" {
			var err error
			if data, err = io.ReadAll(c.in); err != nil {
				return ev, fmt.Errorf("read stdin: %w", err)
			}
		}
		*[]*[]byte{&ev.Data, &ev.Extra1, &ev.Extra2, &ev.Extra3, &ev.Extra4}[i] = data
	}
	return ev, nil
}
