package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste"
)

// comparing are the switches of compare and repair.
type comparing struct {
	londiste.CompareOptions
	limit   int
	rate    string
	full    bool
	watch   bool
	every   time.Duration
	timeout time.Duration
}

func (f *comparing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Where, "where", "", "compare only rows that fulfil this `condition`; names outside pg_catalog need their schema")
	cmd.Flags().IntVar(&f.Jobs, "jobs", 1, "connections that read, at each end")
	cmd.Flags().BoolVar(&f.full, "full-speed", false, "do not give way to others at work on the servers")
	cmd.Flags().StringVar(&f.rate, "max-rate", "", "read no more than this a second of a table at each end, 20MB say")
	cli.TimeVar(cmd.Flags(), &f.timeout, "timeout", time.Minute, "how long to wait for a server to answer, and for the worker to come to a tick")
}

// take reads what the switches say.
func (f *comparing) take() error {
	f.Yield, f.Patience = !f.full, f.timeout
	if f.rate != "" {
		n, ok := conf.ParseSize(f.rate)
		if !ok || n <= 0 {
			return cli.Usage(fmt.Errorf("--max-rate %s: not a size", f.rate))
		}
		f.MaxRate = n
	}
	switch {
	case f.limit < 0:
		return cli.Usage(fmt.Errorf("--limit %d is less than nothing", f.limit))
	case f.Jobs < 1 || f.Jobs > 64:
		return cli.Usage(fmt.Errorf("--jobs %d: from 1 to 64", f.Jobs))
	case f.timeout <= 0:
		return cli.Usage(fmt.Errorf("--timeout %s leaves no time", f.timeout))
	case f.every < 0:
		return cli.Usage(fmt.Errorf("--every %s is less than nothing", f.every))
	}
	return nil
}

func (p *program) compareCommand() *cobra.Command {
	f := &comparing{}
	cmd := &cobra.Command{
		Use: "compare [TABLE…]", Args: cobra.ArbitraryArgs, Short: "Compare the rows of both sides while replication goes on",
		Long: `Compares tables that are ok, all without arguments, each at one exact tick: the
provider as it was at the tick, the subscriber as it is when the worker has
applied all that came before it. Nothing is locked and nothing stands still.
Without a worker it works while no changes wait to be applied.

While others are at work on a server it reads one sixty-fourth of the time.

Exit status: 0 all are equal, 1 some differ, 2 it could not tell of some, which
may be parked or not copied yet; with --watch 0 when SIGINT or SIGTERM end it.`,
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.CountOnly, "count-only", false, "count and add up, do not look for the rows that differ")
	cmd.Flags().IntVar(&f.limit, "limit", 100, "show no more rows than this of a table")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "go on for ever, slowly, and tell of a table when what was found changes; status shows it")
	cli.TimeVar(cmd.Flags(), &f.every, "every", time.Hour, "with --watch, pause after all tables were compared")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.comparing(func(ctx context.Context, c *call) error {
			if err := f.take(); err != nil {
				return err
			}
			if f.watch {
				return f.scrub(ctx, p, c)
			}
			return f.once(ctx, p, c)
		})(cmd, args)
	}
	return p.WithJSON(cmd)
}

// What a comparison ends with whose output has said all.
var (
	errDiffer  = errors.New("some tables differ")
	errUnknown = errors.New("some tables were not compared")
)

// comparing makes the body of a command whose failures have the status 2, for
// 1 means differences, of which the output has said all.
func (p *program) comparing(run func(ctx context.Context, c *call) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		begun := false
		err := p.command(func(ctx context.Context, c *call) error {
			begun = true
			switch err := run(ctx, c); {
			case err == nil:
				return nil
			case errors.Is(err, errDiffer):
				return cli.Status(1, nil)
			case errors.Is(err, errUnknown):
				return cli.Status(2, nil)
			default:
				return cli.Status(2, err)
			}
		})(cmd, args)
		if err != nil && !begun {
			return cli.Status(2, err)
		}
		return err
	}
}

// compared is a table with its rows, as --json shows it.
type compared struct {
	londiste.Comparison
	Rows []londiste.RowDifference `json:"rows"`
	Left int64                    `json:"rows_left_out"`
}

func (f *comparing) once(ctx context.Context, p *program, c *call) error {
	var all []compared
	var differ, unknown int
	var rows []londiste.RowDifference
	var left int64
	o := f.CompareOptions
	o.Each = func(_ ident.Name, d londiste.RowDifference) error {
		if len(rows) == f.limit {
			left++
			return nil
		}
		rows = append(rows, d)
		return nil
	}
	o.Again = func() error {
		rows, left = nil, 0
		return nil
	}
	err := c.subscriber().Compare(ctx, londiste.Selection{Names: c.args}, o, func(res londiste.Comparison) error {
		one := compared{res, append([]londiste.RowDifference{}, rows...), left}
		rows, left = nil, 0
		all = append(all, one)
		switch {
		case res.Error != "" || res.Skipped != "":
			unknown++
		case !res.Agrees():
			differ++
		}
		if p.JSON() {
			return nil
		}
		_, err := fmt.Fprint(c.out, one.text())
		return err
	})
	if p.JSON() && (err == nil || len(all) > 0) {
		err = errors.Join(err, printJSON(c.out, append([]compared{}, all...)))
	}
	switch {
	case err != nil:
		return err
	case unknown > 0:
		return errUnknown
	case differ > 0:
		return errDiffer
	}
	return nil
}

// text is what is shown of a table.
func (c *compared) text() string {
	var b strings.Builder
	name := ident.Visible(c.Table.String())
	switch {
	case c.Error != "":
		fmt.Fprintf(&b, "%s: %s\n", name, ident.Visible(c.Error))
	case c.Skipped != "":
		fmt.Fprintf(&b, "%s: not compared: %s\n", name, c.Skipped)
	case c.Equal:
		fmt.Fprintf(&b, "%s: equal at tick %d, %s\n", name, c.Tick, noun.Count(c.Provider, "row"))
	case c.Agrees():
		fmt.Fprintf(&b, "%s: equal at tick %d, %s, but for %s\n", name, c.Tick, noun.Count(c.Provider, "row"), noun.Count(c.Extra, "extra row"))
	default:
		fmt.Fprintf(&b, "%s: DIFFERENT at tick %d: provider %s, subscriber %d", name, c.Tick, noun.Count(c.Provider, "row"), c.Subscriber)
		if c.Missing+c.Extra+c.Differing > 0 {
			fmt.Fprintf(&b, ": %d missing, %d extra, %d differing", c.Missing, c.Extra, c.Differing)
		}
		b.WriteByte('\n')
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "  %s\n", ident.Visible(n))
	}
	for _, d := range c.Rows {
		fmt.Fprintf(&b, "  %s\n", rowText(d))
	}
	if c.Left > 0 {
		fmt.Fprintf(&b, "  and %d more\n", c.Left)
	}
	return b.String()
}

// longestShown is how much of a value a line shows.
const longestShown = 60

func rowText(d londiste.RowDifference) string {
	var b strings.Builder
	b.WriteString(string(d.Kind))
	if d.Count > 1 {
		fmt.Fprintf(&b, " %d times", d.Count)
	}
	for _, k := range d.Key {
		fmt.Fprintf(&b, " %s=%s", ident.Visible(k.Column), valueText(k.Value))
	}
	for i, v := range d.Values {
		sep := ","
		if i == 0 {
			sep = ":"
		}
		switch d.Kind {
		case londiste.RowDiffering:
			fmt.Fprintf(&b, "%s %s %s -> %s", sep, ident.Visible(v.Column), valueText(v.Provider), valueText(v.Subscriber))
		case londiste.RowMissing:
			fmt.Fprintf(&b, "%s %s=%s", sep, ident.Visible(v.Column), valueText(v.Provider))
		default:
			fmt.Fprintf(&b, "%s %s=%s", sep, ident.Visible(v.Column), valueText(v.Subscriber))
		}
	}
	return b.String()
}

func valueText(v *string) string {
	if v == nil {
		return "NULL"
	}
	r := []rune(*v)
	if len(r) > longestShown {
		return ident.Visible(ident.Literal(string(r[:longestShown]))) + "…"
	}
	return ident.Visible(ident.Literal(*v))
}

// scrubRate is how fast --watch reads, unless --max-rate says otherwise.
const scrubRate = 4 << 20

// verdict is what --watch tells when it changes.
func verdict(c *londiste.Comparison) string {
	return fmt.Sprint(c.Equal, c.Missing, c.Extra, c.Differing, c.Notes, c.Skipped, c.Error)
}

// scrub compares table after table for ever, and tells of a table when that is
// news. What stands in its way now may not next time.
func (f *comparing) scrub(ctx context.Context, p *program, c *call) error {
	o := f.CompareOptions
	if o.MaxRate == 0 {
		o.MaxRate = scrubRate
	}
	said := map[ident.Name]string{}
	for first := true; ctx.Err() == nil; first = false {
		err := c.subscriber().Compare(ctx, londiste.Selection{Names: c.args}, o, func(res londiste.Comparison) error {
			if p.JSON() {
				return printJSON(c.out, res)
			}
			if said[res.Table] == verdict(&res) {
				return nil
			}
			said[res.Table] = verdict(&res)
			one := compared{Comparison: res}
			_, err := fmt.Fprintf(c.out, "%s %s", time.Now().Format(time.DateTime), one.text())
			return err
		})
		if ctx.Err() != nil {
			break
		}
		if first && errors.Is(err, londiste.ErrNotSubscribed) {
			return err // a slip of the pen; later the table may have left the set for a while
		}
		if err != nil {
			c.pair.Log.Error("comparing: "+err.Error(), "hint", hint.Of(err))
		}
		select {
		case <-time.After(max(f.every, time.Second)):
		case <-ctx.Done():
		}
	}
	return nil
}
