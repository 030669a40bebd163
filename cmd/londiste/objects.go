package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/londiste"
)

// objectsCommand makes `fkeys` and `triggers`: two lists, one of them chosen
// by an argument.
func objectsCommand[T any](p *program, what, short string, header []cli.Column, cells func(T) []any,
	list func(context.Context, *londiste.Subscriber) (pending, active []T, err error),
) *cobra.Command {
	cmd := &cobra.Command{
		Use: what + " [pending|active]", Short: short,
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"pending", "active"},
	}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		pending, active, err := list(ctx, c.subscriber())
		if err != nil {
			return err
		}
		kinds := []struct {
			name string
			list []T
		}{{"pending", pending}, {"active", active}}
		out := map[string][]T{}
		for _, k := range kinds {
			if len(c.args) == 1 && c.args[0] != k.name {
				continue
			}
			if p.JSON() {
				out[k.name] = append([]T{}, k.list...)
				continue
			}
			t := &cli.Table{Columns: header}
			for _, o := range k.list {
				t.Add(cells(o)...)
			}
			fmt.Fprintln(c.out, k.name+" "+what)
			if err := t.WriteText(c.out); err != nil {
				return err
			}
		}
		if p.JSON() {
			return printJSON(c.out, out)
		}
		return nil
	})
	return p.WithJSON(cmd)
}

func (p *program) fkeysCommand() *cobra.Command {
	return objectsCommand(p, "fkeys", "List foreign keys to and from replicated tables",
		columns("from_table", "to_table", "fkey_name", "fkey_def"),
		func(f londiste.ForeignKey) []any {
			return []any{f.From.String(), f.To.String(), f.Name, f.Def}
		},
		func(ctx context.Context, b *londiste.Subscriber) (pending, active []londiste.ForeignKey, err error) {
			return b.ForeignKeys(ctx)
		})
}

func (p *program) triggersCommand() *cobra.Command {
	return objectsCommand(p, "triggers", "List triggers on replicated tables",
		columns("table_name", "trigger_name", "trigger_def"),
		func(t londiste.Trigger) []any { return []any{t.Table.String(), t.Name, t.Def} },
		func(ctx context.Context, b *londiste.Subscriber) (pending, active []londiste.Trigger, err error) {
			return b.Triggers(ctx)
		})
}

func columns(names ...string) []cli.Column {
	var all []cli.Column
	for _, n := range names {
		all = append(all, cli.Column{Title: n, Key: n})
	}
	return all
}
