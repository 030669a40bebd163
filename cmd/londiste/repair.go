package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste"
)

func (p *program) repairCommand() *cobra.Command {
	f := &comparing{}
	var apply bool
	cmd := &cobra.Command{
		Use: "repair [TABLE…]", Args: cobra.ArbitraryArgs, Short: "Make rows of the subscriber equal that differ",
		Long: `Compares as compare does. Without --apply it prints the statements that would make
the subscriber equal, and changes nothing. With --apply the provider tells the rows
that differ once more, through the queue, as they are by then: nothing is written
past the worker, and no row is set back to an older state. While it does, for some
rows at a time, others can read the table but not write. The role that installed the
provider needs SELECT and UPDATE on it, the one that repairs is that role or in pgq_admin.

Exit status: 0 nothing differs, or it was mended; 1 statements were printed; 2 failed.`,
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&apply, "apply", false, "have the provider tell the rows that differ once more")
	cmd.RunE = p.comparing(func(ctx context.Context, c *call) error {
		if err := f.take(); err != nil {
			return err
		}
		if apply && c.fake {
			return hint.With(errors.New("--apply has no dry run, and the ini file says fake = 1"), "set fake = 0, or leave --apply out")
		}
		return f.repair(ctx, c, apply)
	})
	return cmd
}

func (f *comparing) repair(ctx context.Context, c *call, apply bool) error {
	differ, unknown := false, false
	print := func(statement string) error {
		_, err := fmt.Fprintln(c.out, statement)
		return err
	}
	err := c.subscriber().Repair(ctx, londiste.Selection{Names: c.args}, f.CompareOptions, apply, print,
		func(res londiste.Comparison, told int64) error {
			if res.Error != "" || res.Skipped != "" {
				unknown = true
				c.pair.Log.Warn(res.Table.String() + ": not compared: " + res.Error + res.Skipped)
				return nil
			}
			differ = differ || !res.Agrees()
			if !apply {
				return nil
			}
			_, err := fmt.Fprintf(c.out, "%s: %d missing, %d extra, %d differing; %s told once more\n",
				ident.Visible(res.Table.String()), res.Missing, res.Extra, res.Differing, noun.Count(told, "row"))
			return err
		})
	switch {
	case err != nil:
		return err
	case unknown:
		return errUnknown
	case differ && !apply:
		return errDiffer
	}
	return nil
}
