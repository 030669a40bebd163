package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/internal/screen"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) statusCommand() *cobra.Command {
	var watch screen.Watching
	cmd := &cobra.Command{
		Use: "status", Short: "Show queues and consumers", Args: cobra.NoArgs,
		Long: `On a terminal it draws a tree, elsewhere plain tables. --watch goes on: on a terminal
as a live view that scrolls and outlives a server that is down, elsewhere as plain
output or, with --json, one line of JSON each time.`,
	}
	watch.Flags(cmd)
	cmd.RunE = p.prepared(func(ctx context.Context, set settings, c *call) error {
		every, err := watch.Interval()
		if err != nil {
			return err
		}
		db, err := p.oneDatabase(set)
		if err != nil {
			return err
		}
		look := &look{db: db, key: set.key()}
		defer look.close()
		if every > 0 {
			return p.watchStatus(ctx, c, look, every)
		}
		status, err := look.status(ctx)
		if err != nil {
			return err
		}
		switch width := screen.Width(c.out); {
		case p.JSON():
			text, err := json.MarshalIndent(status, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, string(text))
			return err
		case width > 0:
			return screen.Print(c.out, statusTree(status, db.Database), width)
		}
		return status.WriteText(c.out)
	})
	return p.WithJSON(cmd)
}

// look reads the status over one connection, and over a new one after an error.
type look struct {
	db   *pgx.ConnConfig
	key  string
	conn *pgx.Conn
}

func (l *look) status(ctx context.Context) (s doctor.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if l.conn == nil {
		if l.conn, err = connect(ctx, l.db, l.key); err != nil {
			return s, err
		}
	}
	if err = pgq.CheckInstalled(ctx, l.conn); err == nil {
		s, err = doctor.ReadStatus(ctx, l.conn)
	}
	if err != nil {
		l.close()
	}
	return s, err
}

func (l *look) close() {
	if l.conn != nil {
		closeConn(l.conn)
		l.conn = nil
	}
}

// watchStatus shows the status until it is told to end.
func (p *program) watchStatus(ctx context.Context, c *call, l *look, every time.Duration) error {
	if screen.Width(c.out) == 0 || p.JSON() {
		return screen.Repeat(ctx, c.out, every, p.JSON(), func(ctx context.Context) error {
			s, err := l.status(ctx)
			switch {
			case err != nil && p.JSON():
				return json.NewEncoder(c.out).Encode(map[string]string{"error": err.Error()})
			case err != nil:
				_, err = fmt.Fprintf(c.out, "! %s\n", ident.Visible(err.Error()))
				return err
			case p.JSON():
				return json.NewEncoder(c.out).Encode(s)
			}
			return s.WriteText(c.out)
		})
	}
	w := screen.Watch{Title: "pgqadm status " + l.db.Database, Every: every, Read: func(ctx context.Context) (*screen.Node, error) {
		s, err := l.status(ctx)
		if err != nil {
			return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
		}
		return statusTree(s, l.db.Database), nil
	}}
	return w.Run(ctx)
}

// statusTree is the terminal's face of a status.
func statusTree(s doctor.Status, database string) *screen.Node {
	root := screen.Root(screen.Join(screen.Say(screen.Strong, "%s", database),
		screen.Say(screen.Faint, "PostgreSQL %s, PgQ %s", s.PostgresVersion, s.PgqVersion)))
	if problems := s.Problems(); len(problems) > 0 {
		list := root.Add(screen.Say(screen.Bad, "problems") + screen.Say(screen.Faint, " %d", len(problems)))
		for _, p := range problems {
			list.Add(screen.Say(screen.Bad, "✗ ") + screen.Say(screen.Plain, "%s", p.Text)).
				Add(screen.Say(screen.Good, "→ ") + screen.Say(screen.Strong, "%s", p.Mend))
		}
	}
	for _, t := range s.Tickers {
		word, tone := "standing by", screen.Faint
		if t.Leads {
			word, tone = "ticks", screen.Good
		}
		root.Add(screen.Join(screen.Say(screen.Strong, "ticker ")+screen.Say(tone, "%s", word), screen.Say(screen.Plain, "%s", t)))
	}
	for _, other := range s.OtherTickers {
		root.Add(screen.Join(screen.Say(screen.Strong, "ticker of another program"), screen.Say(screen.Plain, "%s", other)))
	}
	if t := s.OldestTransaction; t != nil {
		root.Add(screen.Oldest(time.Duration(t.Age), t.Who))
	}
	for _, q := range s.Queues {
		treeQueue(root, &q, s.Budget(q.Name))
	}
	return root
}

func treeQueue(root *screen.Node, q *pgq.Queue, budget int64) {
	queue := root.Add(screen.Join(screen.Say(screen.Strong, "%s", q.Name),
		screen.Say(screen.Plain, "tick %d, %s ago", q.LastTick, cli.Age(q.TickerLag).Text),
		screen.Say(screen.Plain, "%.1f events/s", q.EventsPerSec), screen.Say(screen.Plain, "%d since the tick", q.NewEvents),
		screen.Say(screen.Warn, "%s", strings.Join(q.State(), ", "))))
	queue.Add(screen.Join(screen.Size(q.Size, budget),
		screen.Say(screen.Plain, "%s kept in %s", noun.Count(q.EventsKept, "event"), noun.Count(q.Tables, "table")),
		screen.Say(screen.Plain, "rotated %s ago, every %s", cli.Age(q.RotatedAgo).Text, cli.Age(q.RotationPeriod).Text)))
	if len(q.Consumers) == 0 {
		queue.Add(screen.Say(screen.Faint, "no consumers"))
	}
	for _, c := range q.Consumers {
		queue.AddRow(screen.Say(screen.Plain, "%s", c.Name), screen.Lag(c.Behind()), screen.Say(screen.Plain, "%s", noun.Count(c.PendingEvents, "event")),
			screen.Say(screen.Plain, "%s", cli.Size(c.PendingBytes).Text), screen.Say(screen.Faint, "seen %s ago", cli.Age(c.LastSeen).Text),
			screen.Say(screen.Warn, "%s", strings.Join(c.State(), ", ")))
	}
}
