package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

func (p *program) subscriberCommands() *cobra.Command {
	group := &cobra.Command{
		Use:   "subscriber",
		Short: "Say which tables and sequences are replicated here",
		Long: `The subscriber's side: which of the provider's tables and sequences are
replicated, what is being copied, what was dropped or disabled for it.`,
	}
	group.AddCommand(
		p.installCommand("subscriber"),
		p.subscriberAdd(),
		p.named("remove TABLE…", "Replicate tables no longer; what was disabled for it comes back",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.subscriber().RemoveTables(ctx, sel)
			}),
		p.named("add-seq SEQUENCE…", "Follow the provider's sequences",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.subscriber().AddSeqs(ctx, sel)
			}),
		p.named("remove-seq SEQUENCE…", "Follow sequences no longer",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.subscriber().RemoveSeqs(ctx, sel)
			}),
		p.subscriberTables(),
		p.listCommand("seqs", "List the sequences followed",
			func(ctx context.Context, c *call) ([]ident.Name, error) { return c.subscriber().Seqs(ctx) }),
		p.missingCommand(),
		p.checkCommand(),
		p.fkeysCommand(),
		p.triggersCommand(),
		p.restoreTriggersCommand(),
		p.resyncCommand(),
		p.named("retry TABLE…", "Bring parked tables back, once the cause is mended",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.subscriber().Retry(ctx, sel)
			}),
		p.skipCommand(),
		p.attachCommand(),
		p.registerCommand(),
		p.unregisterCommand(),
	)
	return group
}

func (p *program) subscriberAdd() *cobra.Command {
	var opt londiste.AddOptions
	cmd := p.named("add TABLE…", "Replicate tables of the provider, their rows first",
		func(ctx context.Context, c *call, sel londiste.Selection) error {
			return c.subscriber().AddTables(ctx, sel, opt)
		})
	cmd.Flags().BoolVar(&opt.ExpectSync, "expect-sync", false, "the rows are the same already: copy nothing")
	cmd.Flags().BoolVar(&opt.SkipTruncate, "skip-truncate", false, "keep the rows that are there before the copy")
	cmd.Flags().BoolVar(&opt.Force, "force", false, "add in spite of differences in structure")
	cmd.Flags().BoolVar(&opt.Create, "create", false, "make tables that are not there: types, columns, defaults, identity, checks, key")
	cmd.Flags().BoolVar(&opt.CreateFull, "create-full", false, "the same with indexes, constraints, foreign keys, comments and privileges")
	cmd.Long = `Replicates tables that the provider has registered, their rows first.

With --create or --create-full those that are not there are made as they are at
the provider, with schema, types and sequences, in one transaction with their
registration. What cannot be had here (a role, a function in a default, a feature of a newer
server) is told and left out. A table that is there already with another
structure is refused.`
	return cmd
}

func (p *program) subscriberTables() *cobra.Command {
	cmd := &cobra.Command{Use: "tables", Short: "List the tables replicated and their states", Args: cobra.NoArgs}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		list, err := c.subscriber().Tables(ctx)
		if err != nil {
			return err
		}
		t := &cli.Table{Columns: []cli.Column{{Title: "Table", Key: "table"}, {Title: "State", Key: "state"}}}
		for _, row := range list {
			t.Add(row.Name.String(), row.Shown())
		}
		return p.Print(c.out, t)
	})
	return p.WithJSON(cmd)
}

func (p *program) missingCommand() *cobra.Command {
	var asSQL bool
	cmd := &cobra.Command{
		Use: "missing", Short: "List what the provider has registered and the subscriber has not", Args: cobra.NoArgs,
		Long: `Exit status: 0 nothing is missing, 1 something is, 2 could not tell. --sql prints
the statements that make the tables as they are at the provider.`,
	}
	cmd.Flags().BoolVar(&asSQL, "sql", false, "print the statements that make the tables")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if asSQL {
			found, err := c.subscriber().MissingStructure(ctx)
			return p.printStructure(c, found, true, err)
		}
		tables, seqs, err := c.subscriber().Missing(ctx)
		if err != nil {
			return cli.Status(2, err)
		}
		t := &cli.Table{Columns: columns("kind", "name")}
		for _, n := range tables {
			t.Add("Table", n.String())
		}
		for _, n := range seqs {
			t.Add("Sequence", n.String())
		}
		if p.JSON() {
			if err := t.WriteJSON(c.out); err != nil {
				return err
			}
		} else {
			printMissing(c.out, tables, seqs)
		}
		if t.Len() > 0 {
			return cli.Status(1, nil)
		}
		return nil
	})
	return p.WithJSON(cmd)
}

func printMissing(w io.Writer, tables, seqs []ident.Name) {
	for _, n := range tables {
		fmt.Fprintln(w, "Table: "+ident.Visible(n.String()))
	}
	for _, n := range seqs {
		fmt.Fprintln(w, "Sequence: "+ident.Visible(n.String()))
	}
}

func (p *program) resyncCommand() *cobra.Command {
	var all, force, different bool
	f := &comparing{}
	cmd := &cobra.Command{
		Use: "resync TABLE…", Args: cobra.ArbitraryArgs, Short: "Copy tables, or parts of them, anew",
		Long: `Copies the named tables anew; with --all or --force and no name, every table.

With --where only the rows of one table for which a condition is true at either
side; a range of keys is such a condition. With --different those that a comparison
finds to differ now, which it makes first: it needs tables that are ok, and waits
for the worker. Both together: the different rows among those of the condition.
The table stays as it is for readers until its rows are exchanged, all at once; the
other tables go on. A table without key can only be copied as a whole.`,
	}
	cmd.Flags().BoolVar(&all, "all", false, "every table")
	cmd.Flags().BoolVar(&force, "force", false, "the same as --all where no table is named")
	cmd.Flags().BoolVar(&different, "different", false, "only rows that differ")
	f.flags(cmd)
	cmd.Flags().Lookup("where").Usage = "only rows for which this `condition` is true at either side; names outside pg_catalog need their schema"
	for _, name := range []string{"jobs", "full-speed", "max-rate", "timeout"} {
		cmd.Flags().Lookup(name).Usage = "with --different: " + cmd.Flags().Lookup(name).Usage
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		sel := londiste.Selection{Names: c.args, All: all || force}
		if err := f.take(); err != nil {
			return err
		}
		switch {
		case different:
			return c.subscriber().ResyncDifferent(ctx, sel, f.CompareOptions)
		case cmd.Flags().Changed("where"):
			return c.subscriber().ResyncWhere(ctx, sel, f.Where)
		}
		return c.subscriber().Resync(ctx, sel)
	})
	return cmd
}

func (p *program) attachCommand() *cobra.Command {
	var opt londiste.AttachOptions
	var tick int64
	cmd := &cobra.Command{
		Use: "attach [TABLE…] --from-tick N | --from-lsn LSN", Args: cobra.ArbitraryArgs,
		Short: "Make a database that has the provider's rows already a subscriber, without a copy",
		Long: `Takes all tables of the provider, or those named, and goes on from a tick that
the rows have seen whole:

  dump of the tables              --from-tick N, the provider's last tick before the
                                  dump began: select max(tick_id) from pgq.tick
  dump of the whole database      --from-tick 0: the restored database knows its last
  base backup, snapshot of disks  --from-lsn LSN, where recovery was to come to; the
                                  recovered database knows its last tick

A copy of the whole database ceases to be a provider: its queue and triggers go.
The provider keeps the events after a tick only while some consumer needs them:
register this one before the dump is made (pgqadm INI register QUEUE JOB), else the
tick may be gone. --exact is for pg_dump --snapshot with the snapshot of an exact tick.`,
	}
	cmd.Flags().Int64Var(&tick, "from-tick", 0, "tick that the rows have seen; 0: the last that the database itself has")
	cmd.Flags().StringVar(&opt.LSN, "from-lsn", "", "position in the provider's log that a physical copy was recovered to")
	cmd.Flags().BoolVar(&opt.Exact, "exact", false, "the rows have seen nothing more than the tick")
	cmd.Flags().BoolVar(&opt.Force, "force", false, "attach in spite of differences in structure")
	cmd.MarkFlagsOneRequired("from-tick", "from-lsn")
	cmd.MarkFlagsMutuallyExclusive("from-tick", "from-lsn")
	cmd.MarkFlagsMutuallyExclusive("exact", "from-lsn")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if tick < 0 {
			return cli.Usage(fmt.Errorf("--from-tick %d: ticks count from 1, and 0 is the last that the database itself has", tick))
		}
		if opt.LSN != "" && !lsn.MatchString(opt.LSN) {
			return cli.Usage(fmt.Errorf("--from-lsn %s is no position in a log, as 16/B374D848 is", opt.LSN))
		}
		opt.Tick = pgq.TickID(tick)
		return c.subscriber().Attach(ctx, londiste.Selection{Names: c.args}, opt)
	})
	return cmd
}

// lsn is a position in a server's log as it writes one.
var lsn = regexp.MustCompile(`^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$`)

func (p *program) skipCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "skip TABLE EVENT", Args: cobra.ExactArgs(2), Short: "Bring a parked table back without one of its changes",
		Long: "Passes over one event of a parked table, by its id, which status shows, and has the table retried. Its rows may differ from the provider's from then on.",
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		event, err := strconv.ParseInt(c.args[1], 10, 64)
		if err != nil {
			return cli.Usage(fmt.Errorf("%q is no event id", c.args[1]))
		}
		return c.subscriber().SkipEvent(ctx, c.args[0], event)
	})
	return cmd
}

func (p *program) registerCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "register", Short: "Have the provider keep events for this subscriber", Args: cobra.NoArgs,
		Long: "Replay does it by itself at its first start. --force takes the consumer from the database that has it.",
	}
	cmd.Flags().BoolVar(&force, "force", false, "take the consumer over from another database")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		return c.subscriber().Register(ctx, force)
	})
	return cmd
}

func (p *program) unregisterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unregister", Short: "Have the provider keep no more events for this subscriber", Args: cobra.NoArgs,
		Long: "To be done when a subscriber is given up, else the queue grows for ever. Every table is copied anew if replay is started again.",
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		return c.subscriber().Unregister(ctx)
	})
	return cmd
}

func (p *program) restoreTriggersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore-triggers TABLE [TRIGGER…]", Short: "Enable triggers that were disabled for replication",
		Args: cobra.MinimumNArgs(1),
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		return c.subscriber().RestoreTriggers(ctx, c.args[0], c.args[1:])
	})
	return cmd
}
