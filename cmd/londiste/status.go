package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/internal/screen"
	"github.com/skytools-go/skytools/londiste"
)

func (p *program) statusCommand() *cobra.Command {
	var watch screen.Watching
	cmd := &cobra.Command{
		Use: "status", Short: "Show both sides, lag, tables, sequences and what wants doing", Args: cobra.NoArgs,
		Long: `On a terminal it draws a tree, elsewhere plain tables. --watch goes on: on a terminal
as a live view that scrolls and outlives a server that is down, elsewhere as plain
output or, with --json, one line of JSON each time.
Exit status: 0 both sides answered, 1 one did not, 3 a table is parked: the subscriber is not consistent.`,
	}
	watch.Flags(cmd)
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		every, err := watch.Interval()
		if err != nil {
			return err
		}
		if every > 0 {
			return p.watchStatus(ctx, c, every)
		}
		st := c.subscriber().ReadStatus(ctx)
		st.Program = cli.Version
		switch width := screen.Width(c.out); {
		case p.JSON():
			err = printJSON(c.out, st)
		case width > 0:
			err = screen.Print(c.out, statusTree(st, time.Now()), width)
		default:
			err = printStatus(c.out, st)
		}
		switch {
		case err != nil:
		case !st.Reachable():
			err = cli.Status(1, nil)
		case st.Parked():
			err = cli.Status(3, nil)
		}
		return err
	})
	return p.WithJSON(cmd)
}

// watchStatus shows the status until it is told to end.
func (p *program) watchStatus(ctx context.Context, c *call, every time.Duration) error {
	read := func(ctx context.Context) *londiste.Status {
		st := c.subscriber().ReadStatus(ctx)
		st.Program = cli.Version
		return st
	}
	if screen.Width(c.out) == 0 || p.JSON() {
		return screen.Repeat(ctx, c.out, every, p.JSON(), func(ctx context.Context) error {
			if st := read(ctx); !p.JSON() {
				return printStatus(c.out, st)
			} else {
				return json.NewEncoder(c.out).Encode(st)
			}
		})
	}
	w := screen.Watch{Title: "londiste status " + c.pair.Job, Every: every, Read: func(ctx context.Context) (*screen.Node, error) {
		st := read(ctx)
		return statusTree(st, time.Now()), unanswered(st)
	}}
	return w.Run(ctx)
}

// unanswered says why a side did not tell all, nil if both did.
func unanswered(st *londiste.Status) error {
	for _, n := range []londiste.NodeStatus{st.Provider, st.Subscriber} {
		if n.Error != "" {
			return errors.New(n.Error)
		}
	}
	return nil
}

func printStatus(w io.Writer, st *londiste.Status) error {
	fmt.Fprintf(w, "Job: %s   Queue: %s   Consumer: %s   Londiste %s\n", st.Job, st.Queue, st.Consumer, st.Program)
	printNode(w, "Provider", &st.Provider)
	printNode(w, "Subscriber", &st.Subscriber)
	if q := st.Events; q != nil {
		fmt.Fprintf(w, "Queue: tick %d, %s ago   %.1f events/s, %d since the tick   %s, %s, rotated %s ago, every %s\n",
			q.LastTick, seconds(q.TickAge), q.EventsPerSec, q.NewEvents, noun.Count(q.Tables, "table"), size(q.Size), seconds(q.RotatedAge), seconds(q.Rotation))
	}
	if st.Position != nil {
		lag := "?"
		if st.Lag != nil {
			lag = seconds(*st.Lag)
		}
		fmt.Fprintf(w, "Position: tick %d   Lag: %s\n", *st.Position, lag)
	}
	if r := st.Worker; r != nil {
		state := "NOT RUNNING, was "
		if r.Running {
			state = "running, "
		}
		fmt.Fprintf(w, "Replay: %s%s, since %s\n", state, r.Holder, r.Since.Local().Format(time.DateTime))
	}
	for _, t := range []*cli.Table{readerTable(st), tableTable(st), sequenceTable(st), fkeyTable(st)} {
		if t.Len() == 0 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.WriteText(w); err != nil {
			return err
		}
	}
	if len(st.Problems) > 0 {
		fmt.Fprintln(w)
	}
	for _, p := range st.Problems {
		mark := "! "
		for line := range strings.SplitSeq(p.Text, "\n") {
			fmt.Fprintln(w, mark+ident.Visible(line))
			mark = "  "
		}
		if p.Mend != "" {
			fmt.Fprintln(w, "  -> "+ident.Visible(p.Mend))
		}
	}
	return nil
}

func printNode(w io.Writer, side string, n *londiste.NodeStatus) {
	fmt.Fprintf(w, "%s: %s (%s)   %s", side, n.Node, n.Type, n.Location)
	switch {
	case !n.Reachable:
		fmt.Fprint(w, "   NOT REACHABLE")
	case !n.Installed:
		fmt.Fprint(w, "   NOT INSTALLED")
	default:
		fmt.Fprintf(w, "   PostgreSQL %s, schema %s", n.Server, n.Schema)
	}
	fmt.Fprintln(w)
}

func readerTable(st *londiste.Status) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Title: "Consumer"}, {Title: "Database"}, {Title: "Lag", Right: true}, {Title: "LastSeen", Right: true}, {Title: "Pending", Right: true},
	}}
	for _, r := range st.Readers {
		t.Add(r.Name, orDash(r.Database), seconds(r.Lag), seconds(r.Seen), r.Pending)
	}
	return t
}

// comparedText tells what the last comparisons have found.
func comparedText(t londiste.TableStatus) string {
	switch {
	case t.Different != nil:
		return "DIFFERENT since " + t.Different.Local().Format(time.DateTime)
	case t.Verified != nil && t.Extra > 0:
		return fmt.Sprintf("verified equal at %s but for %s of another queue", t.Verified.Local().Format(time.DateTime), noun.Count(t.Extra, "row"))
	case t.Verified != nil:
		return "verified equal at " + t.Verified.Local().Format(time.DateTime)
	}
	return "-"
}

func tableTable(st *londiste.Status) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Title: "Table"},
		{Title: "State"},
		{Title: "Capture"},
		{Title: "Events", Right: true},
		{Title: "Applied", Right: true},
		{Title: "Coalesced", Right: true},
		{Title: "Filtered", Right: true},
		{Title: "Skipped", Right: true},
		{Title: "Diverged", Right: true},
		{Title: "Sets", Right: true},
		{Title: "Compared"},
	}}
	for _, row := range st.Tables {
		state := row.State
		switch {
		case !row.Here && st.Subscriber.Installed:
			state = "not here"
		case !row.Provider && st.Provider.Installed:
			state += ", not at provider"
		}
		if row.Drift != "" {
			state += ", drifted"
		}
		if row.State == "in-copy" && row.Copy != nil {
			state += ", " + figures(row.Copy)
		}
		if row.Resync != nil {
			state += ", " + ident.Visible(row.Resync.String())
		}
		c := row.Counters
		sets := "-"
		if c.Applied > 0 {
			sets = fmt.Sprintf("%.1f%%", 100*float64(c.BySets)/float64(c.Applied))
		}
		t.Add(row.Name, state, orDash(row.Capture), c.Events, c.Applied, c.Coalesced, c.Filtered, c.Skipped, c.Diverged, sets, comparedText(row))
	}
	return t
}

func fkeyTable(st *londiste.Status) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{{Title: "Pending foreign key"}, {Title: "From"}, {Title: "To"}}}
	for _, f := range st.Fkeys {
		t.Add(f.Name, f.From.String(), f.To.String())
	}
	return t
}

func sequenceTable(st *londiste.Status) *cli.Table {
	value := func(v *int64) any {
		if v == nil {
			return nil
		}
		return *v
	}
	t := &cli.Table{Columns: []cli.Column{{Title: "Sequence"}, {Title: "Provider", Right: true}, {Title: "Subscriber", Right: true}}}
	for _, q := range st.Sequences {
		t.Add(q.Name, value(q.Provider), value(q.Subscriber))
	}
	return t
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// size is a number of bytes as pg_size_pretty writes it.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	for len(units) > 1 && n >= 10*1024 {
		n, units = (n+512)/1024, units[1:]
	}
	return fmt.Sprintf("%d %s", n, units[0])
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
