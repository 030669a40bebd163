package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) providerCommands() *cobra.Command {
	group := &cobra.Command{
		Use:   "provider",
		Short: "Say which tables and sequences can be replicated",
		Long: `The provider's side: which tables' changes go into the queue, and which
sequences may be followed.

Tables and sequences are named by globs: * and ? within a part, "quoted" parts
to the letter. A name without schema means public's.`,
	}
	var capture londiste.Capture
	add := p.named("add TABLE…", "Capture the changes of tables from now on",
		func(ctx context.Context, c *call, sel londiste.Selection) error {
			return c.provider().AddTables(ctx, sel, capture)
		})
	add.Flags().StringVar(&capture.Key, "key", "", "unique `INDEX` on NOT NULL columns to use as the key")
	add.Flags().BoolVar(&capture.NoKey, "no-key", false, "tables without a key too: all of their columns tell rows apart")
	add.Flags().BoolVar(&capture.Row, "row-capture", false, "capture by a trigger call a row")
	group.AddCommand(
		p.installCommand("provider"),
		add,
		p.named("remove TABLE…", "Capture the changes of tables no longer",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.provider().RemoveTables(ctx, sel)
			}),
		p.named("add-seq SEQUENCE…", "Let subscribers follow sequences",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.provider().AddSeqs(ctx, sel)
			}),
		p.named("remove-seq SEQUENCE…", "Let nobody follow sequences any more",
			func(ctx context.Context, c *call, sel londiste.Selection) error {
				return c.provider().RemoveSeqs(ctx, sel)
			}),
		p.listCommand("tables", "List the tables that can be replicated",
			func(ctx context.Context, c *call) ([]ident.Name, error) { return c.provider().Tables(ctx) }),
		p.listCommand("seqs", "List the sequences that can be followed",
			func(ctx context.Context, c *call) ([]ident.Name, error) { return c.provider().Seqs(ctx) }),
	)
	return group
}

// named makes a command that changes what its arguments name, or --all.
func (p *program) named(use, short string, run func(context.Context, *call, londiste.Selection) error) *cobra.Command {
	var all bool
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	cmd.Flags().BoolVar(&all, "all", false, "all there are, where none is named")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !all {
			err := fmt.Errorf("%s: no name given", cmd.CommandPath())
			return hint.With(cli.Usage(err), "give names or globs, or --all")
		}
		return p.command(func(ctx context.Context, c *call) error {
			return run(ctx, c, londiste.Selection{Names: args, All: all})
		})(cmd, args)
	}
	return cmd
}

func (p *program) listCommand(use, short string, list func(context.Context, *call) ([]ident.Name, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		names, err := list(ctx, c)
		if err != nil {
			return err
		}
		if p.JSON() {
			return printJSON(c.out, append([]ident.Name{}, names...))
		}
		for _, n := range names {
			fmt.Fprintln(c.out, ident.Visible(n.String()))
		}
		return nil
	})
	return p.WithJSON(cmd)
}

func (p *program) installCommand(side string) *cobra.Command {
	var printSQL bool
	cmd := &cobra.Command{
		Use: "install", Short: "Make the " + side + "'s schemas and node", Args: cobra.NoArgs,
		Long: `Makes or upgrades the schemas pgq, pgq_node, pgq_coop, pgq_ext, londiste and
skytools and this side's node. It needs CREATE on the database and nothing more, may be run again
at any time, and on the two sides in any order.`,
	}
	cmd.Flags().BoolVar(&printSQL, "print-sql", false, "print the schemas as SQL and change nothing")
	install := p.command(func(ctx context.Context, c *call) error {
		if side == "provider" {
			return c.provider().Install(ctx, c.installSchema())
		}
		return c.subscriber().Install(ctx, c.installSchema())
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if printSQL {
			return schema.Print(cmd.OutOrStdout())
		}
		return install(cmd, args)
	}
	return cmd
}

func (c *call) installSchema() londiste.InstallFunc {
	return func(ctx context.Context, conn *pgx.Conn) error {
		report, err := schema.Install(ctx, conn, schema.Options{Log: c.pair.Log, DryRun: c.fake})
		if err != nil {
			return err
		}
		for _, line := range report.Lines() {
			c.pair.Log.Info(line)
		}
		return nil
	}
}
