package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/londiste"
)

// The set-up commands that do their work at both sides.

func (p *program) installBoth() *cobra.Command {
	cmd := &cobra.Command{
		Use: "install", Short: "Make the schemas and nodes of both sides", Args: cobra.NoArgs,
		Long: `Does what provider install and subscriber install do, in this order; see there. May be
run again at any time.`,
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		if err := c.provider().Install(ctx, c.installSchema()); err != nil {
			return err
		}
		return c.subscriber().Install(ctx, c.installSchema())
	})
	return cmd
}

func (p *program) addBoth() *cobra.Command {
	var full, force bool
	cmd := p.named("add TABLE…", "Replicate tables with their sequences: set up both sides",
		func(ctx context.Context, c *call, sel londiste.Selection) error {
			return c.subscriber().Add(ctx, sel, londiste.AddOptions{Create: !full, CreateFull: full, Force: force})
		})
	cmd.Flags().BoolVar(&full, "create-full", false, "make tables with indexes, constraints, foreign keys, comments and privileges, too")
	cmd.Flags().BoolVar(&force, "force", false, "add in spite of differences in structure")
	cmd.Long = `Captures the changes of tables at the provider, makes those that are not at the
subscriber, has their rows copied there and kept equal from then on, and follows
the sequences that their columns take values from. A table that is at the subscriber
is emptied by the copy.

It is provider add, subscriber add --create, and add-seq at both sides, in one; each
has flags of its own for what is out of the ordinary. What is done already is passed
over, so that it may be given again when it failed on its way.`
	return cmd
}
