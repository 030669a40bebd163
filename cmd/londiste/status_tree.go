package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/internal/screen"
	"github.com/skytools-go/skytools/londiste"
)

// statusTree is the terminal's face of a status, as of now.
func statusTree(st *londiste.Status, now time.Time) *screen.Node {
	root := screen.Root(screen.Join(screen.Say(screen.Strong, "%s", st.Job),
		screen.Say(screen.Plain, "queue %s", st.Queue), screen.Say(screen.Faint, "Londiste %s", st.Program), standing(st)))
	treeProblems(root, st)
	provider := treeNode(root, &st.Provider)
	treeQueue(provider, st)
	subscriber := treeNode(root, &st.Subscriber)
	treeReplay(subscriber, st, now)
	treeTables(subscriber, st, now)
	treeSequences(subscriber, st)
	return root
}

// standing is the state in a word.
func standing(st *londiste.Status) string {
	switch {
	case !st.Reachable():
		return screen.Say(screen.Bad, "not reachable")
	case st.Parked():
		return screen.Say(screen.Bad, "tables parked")
	case !st.Consistent:
		return screen.Say(screen.Warn, "not all in sync")
	case len(st.Problems) > 0:
		return screen.Say(screen.Warn, "in sync, with problems")
	}
	return screen.Say(screen.Good, "in sync")
}

func treeProblems(root *screen.Node, st *londiste.Status) {
	if len(st.Problems) == 0 {
		return
	}
	list := root.Add(screen.Say(screen.Bad, "problems") + screen.Say(screen.Faint, " %d", len(st.Problems)))
	for _, p := range st.Problems {
		first, rest, _ := strings.Cut(p.Text, "\n")
		one := list.Add(screen.Say(screen.Bad, "✗ ") + screen.Say(screen.Plain, "%s", first))
		for line := range strings.SplitSeq(rest, "\n") {
			if line != "" {
				one.Add(screen.Say(screen.Faint, "%s", line))
			}
		}
		if p.Mend != "" {
			one.Add(screen.Say(screen.Good, "→ ") + screen.Say(screen.Strong, "%s", p.Mend))
		}
	}
}

// treeNode is one side.
func treeNode(root *screen.Node, n *londiste.NodeStatus) *screen.Node {
	server, _, _ := strings.Cut(n.Server, " ")
	mark, state := screen.Say(screen.Good, "● "), screen.Say(screen.Faint, "PostgreSQL %s, schema %s", server, n.Schema)
	switch {
	case !n.Reachable:
		mark, state = screen.Say(screen.Bad, "✗ "), screen.Say(screen.Bad, "not reachable")
	case !n.Installed:
		mark, state = screen.Say(screen.Warn, "○ "), screen.Say(screen.Warn, "not installed")
	}
	return root.Add(mark + screen.Join(screen.Say(screen.Strong, "%s", n.Node), screen.Say(screen.Plain, "%s", n.Type),
		screen.Say(screen.Plain, "%s", n.Location), state))
}

// treeQueue is the provider's queue, who reads it and what rotation waits for.
func treeQueue(provider *screen.Node, st *londiste.Status) {
	q := st.Events
	if q == nil {
		return
	}
	tick := screen.Plain
	if q.Late || q.Paused {
		tick = screen.Bad
	}
	queue := provider.Add(screen.Join(screen.Say(screen.Strong, "queue"),
		screen.Say(tick, "tick %d, %s ago", q.LastTick, age(q.TickAge)),
		screen.Say(screen.Plain, "%.1f events/s", q.EventsPerSec), screen.Say(screen.Plain, "%d since the tick", q.NewEvents)))
	var budget int64
	if q.Budget != nil {
		budget = *q.Budget
	}
	queue.Add(screen.Join(screen.Size(q.Size, budget), screen.Say(screen.Plain, "%s kept in %s", noun.Count(q.Kept, "event"), noun.Count(q.Tables, "table")),
		screen.Say(screen.Plain, "rotated %s ago, every %s", age(q.RotatedAge), age(q.Rotation))))
	if t := q.Oldest; t != nil {
		queue.Add(screen.Oldest(time.Duration(t.Age), t.Who))
	}
	if len(st.Readers) == 0 {
		return
	}
	readers := queue.Add(screen.Say(screen.Plain, "consumers") + screen.Say(screen.Faint, " %d", len(st.Readers)))
	for _, r := range st.Readers {
		tone, lag := screen.Plain, r.Behind()
		if r.Kind == "this" {
			tone = screen.Strong
			if st.Lag != nil {
				lag = *st.Lag // the provider is told later than it is applied
			}
		}
		readers.AddRow(screen.Say(tone, "%s", r.Name), screen.Lag(duration(lag)),
			screen.Say(screen.Plain, "%s", noun.Count(r.Pending, "event")), screen.Say(screen.Plain, "%s", cli.Size(r.Bytes).Text),
			screen.Say(screen.Faint, "seen %s ago", age(r.Seen)), screen.Say(screen.Faint, "%s", r.Database))
	}
}

// treeReplay is the worker and how far it is.
func treeReplay(subscriber *screen.Node, st *londiste.Status, now time.Time) {
	if w := st.Worker; w != nil {
		state, tone, since := "running", screen.Good, "for %s"
		if !w.Running {
			state, tone, since = "NOT RUNNING", screen.Bad, "was begun %s ago"
		}
		subscriber.Add(screen.Join(screen.Say(screen.Strong, "replay ")+screen.Say(tone, "%s", state),
			screen.Say(screen.Plain, "%s", w.Holder), screen.Say(screen.Faint, since, cli.Age(now.Sub(w.Since)).Text)))
	}
	if st.Position == nil {
		return
	}
	lag := screen.Say(screen.Warn, "lag not known")
	if st.Lag != nil {
		lag = screen.Lag(duration(*st.Lag))
	}
	if st.LagEvents != nil && st.LagBytes != nil {
		lag += screen.Say(screen.Plain, ", %s, %s", noun.Count(*st.LagEvents, "event"), cli.Size(*st.LagBytes).Text)
	}
	subscriber.Add(screen.Join(screen.Say(screen.Strong, "position ")+screen.Say(screen.Plain, "tick %d", *st.Position), lag))
}

// treeTables are the tables under their states, those that are not ok first.
func treeTables(subscriber *screen.Node, st *londiste.Status, now time.Time) {
	if len(st.Tables) == 0 {
		return
	}
	groups := st.ByState()
	var counts []string
	for _, g := range groups {
		counts = append(counts, screen.Say(stateTone(g.State), "%d %s", len(g.Tables), g.State))
	}
	tables := subscriber.Add(screen.Say(screen.Strong, "tables ") + screen.Join(counts...))
	for _, g := range groups {
		group := tables.Add(screen.Say(stateTone(g.State), "%s", g.State))
		for _, t := range g.Tables {
			group.AddRow(tableCells(&t, now)...)
		}
	}
}

// tableCells are what matters of a table, the first things first.
func tableCells(t *londiste.TableStatus, now time.Time) []string {
	c := t.Counters
	cells := []string{screen.Say(screen.Plain, "%s", t.Name), ""}
	if !t.Here || t.State == "-" {
		return cells[:1]
	}
	if p := t.Copy; p != nil && p.Finished == nil {
		rest := *p
		if p.Done != nil {
			cells[1] = screen.Bar(*p.Done, 12) + screen.Say(screen.Strong, " %d%%", int(100**p.Done))
			rest.Done = nil
		}
		return append(cells, screen.Say(screen.Plain, "%s", figures(&rest)))
	}
	switch {
	case t.Different != nil:
		cells[1] = screen.Say(screen.Bad, "differs since %s", cli.Age(now.Sub(*t.Different)).Text)
	case t.Verified != nil && t.Extra > 0:
		cells[1] = screen.Say(screen.Good, "equal %s ago but for %s of another queue", cli.Age(now.Sub(*t.Verified)).Text, noun.Count(t.Extra, "row"))
	case t.Verified != nil:
		cells[1] = screen.Say(screen.Good, "equal %s ago", cli.Age(now.Sub(*t.Verified)).Text)
	default:
		cells[1] = screen.Say(screen.Faint, "not compared")
	}
	var diverged string
	if c.Diverged > 0 {
		diverged = screen.Say(screen.Warn, "%d diverged", c.Diverged)
	}
	var odd []string
	for _, o := range []struct {
		is   bool
		text string
	}{
		{t.Drift != "", "drifted"},
		{!t.Provider, "not at provider"},
		{t.Passed > 0, fmt.Sprintf("%d passed over", t.Passed)},
		{t.Resync != nil, fmt.Sprint(t.Resync)},
		{c.Skipped > 0, fmt.Sprintf("%d skipped", c.Skipped)},
	} {
		if o.is {
			odd = append(odd, o.text)
		}
	}
	return append(cells, screen.Say(screen.Warn, "%s", strings.Join(odd, ", ")), diverged,
		screen.Say(screen.Plain, "%s", noun.Count(c.Events, "event")), screen.Say(screen.Faint, "%d applied", c.Applied))
}

func treeSequences(subscriber *screen.Node, st *londiste.Status) {
	if len(st.Sequences) == 0 {
		return
	}
	value := func(v *int64) string {
		if v == nil {
			return "?"
		}
		return fmt.Sprint(*v)
	}
	list := subscriber.Add(screen.Say(screen.Strong, "sequences") + screen.Say(screen.Faint, " %d", len(st.Sequences)))
	for _, q := range st.Sequences {
		here := "not here"
		if q.Here {
			here = "here " + value(q.Subscriber)
		}
		list.AddRow(screen.Say(screen.Plain, "%s", q.Name), screen.Say(screen.Plain, "provider %s", value(q.Provider)), screen.Say(screen.Plain, "%s", here))
	}
}

func stateTone(state string) screen.Tone {
	switch {
	case state == "ok":
		return screen.Good
	case strings.HasPrefix(state, "parked"), strings.HasPrefix(state, "given-up"):
		return screen.Bad
	case state == "-", state == londiste.NotHere:
		return screen.Faint
	}
	return screen.Busy
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func age(seconds float64) string { return cli.Age(duration(seconds)).Text }
