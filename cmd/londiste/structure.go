package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste"
)

func (p *program) checkCommand() *cobra.Command {
	var asSQL bool
	cmd := &cobra.Command{
		Use: "check [TABLE…]", Args: cobra.ArbitraryArgs, Short: "Compare the structure of tables and sequences on both sides",
		Long: `Compares all tables of the provider, or those named, with all that belongs to
them: types, sequences, columns, constraints, indexes, comments, privileges.
Each difference is told with the statements that mend it at the subscriber;
--sql prints nothing else, in an order that works, for psql. A line before it
names a statement that drops a column. What no statement can mend goes to stderr.

Exit status: 0 equal, 1 differences, 2 could not tell.`,
	}
	cmd.Flags().BoolVar(&asSQL, "sql", false, "print the statements only")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		found, err := c.subscriber().Check(ctx, londiste.Selection{Names: c.args})
		return p.printStructure(c, found, asSQL, err)
	})
	return p.WithJSON(cmd)
}

// printStructure prints differences of structure and tells by the exit status
// whether there are any.
func (p *program) printStructure(c *call, found []londiste.Difference, asSQL bool, err error) error {
	switch {
	case err != nil:
		return cli.Status(2, err)
	case asSQL:
		printStatements(c, found)
	case p.JSON():
		if err := printJSON(c.out, append([]londiste.Difference{}, found...)); err != nil {
			return err
		}
	default:
		printDifferences(c.out, found)
	}
	if len(found) > 0 {
		return cli.Status(1, nil)
	}
	return nil
}

func printDifferences(w io.Writer, found []londiste.Difference) {
	for _, f := range found {
		fmt.Fprintln(w, ident.Visible(f.Text))
		if f.Hint != "" {
			fmt.Fprintln(w, "    hint: "+ident.Visible(f.Hint))
		}
		for _, sql := range f.SQL {
			for line := range strings.SplitSeq(sql+";", "\n") {
				fmt.Fprintln(w, "    "+ident.Visible(line))
			}
		}
	}
}

// printStatements prints what psql can run. Their names are qualified, those
// of the server's own types and functions excepted.
func printStatements(c *call, found []londiste.Difference) {
	for _, f := range found {
		if len(f.SQL) == 0 {
			c.pair.Log.Warn(ident.Visible(f.Text))
		}
	}
	statements := structure.Statements(found)
	if len(statements) > 0 {
		fmt.Fprintln(c.out, "set search_path = pg_catalog;")
	}
	for _, s := range statements {
		if s.Drops {
			fmt.Fprintln(c.out, "-- drops a column that the provider does not have, with its values:")
		}
		fmt.Fprintln(c.out, s.SQL+";")
	}
}
