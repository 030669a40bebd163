package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/londiste/diagnosis"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) doctorCommand() *cobra.Command {
	var managed bool
	var with []string
	cmd := &cobra.Command{
		Use: "doctor [TABLE…]", Args: cobra.ArbitraryArgs, Short: "Look for trouble on both sides and say what to do",
		Long: `Looks at both servers and the way to them, at rights, keys, columns, triggers
and sequences of tables, at the queue and at replication, and changes nothing.
Works before anything is installed, and while a side does not answer. Without
TABLE it looks at those that are registered, or at all of the provider where
none is; with it, also at tables that are to be added. docs/doctor.md lists
the checks.

--with FILE.ini, once or more, adds other subscribers of the same provider: what is
found at the provider is told once, and also which subscribers were not looked at.

--managed tells instead what the two servers let their roles do, with the
grants for what they do not.

Exit status: 0 all is well, 1 something was found, 2 something could not be told.`,
	}
	cmd.Flags().BoolVar(&managed, "managed", false, "tell which features work for these roles on these servers")
	cmd.Flags().StringArrayVar(&with, "with", nil, "ini `FILE` of another subscriber of the same provider; may be given again")
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		look := diagnosis.Look(diagnosis.Managed)
		if !managed {
			look = func(ctx context.Context, pair *set.Pair) ([]doctor.Finding, error) {
				return diagnosis.Examine(ctx, pair, diagnosis.Options{Schema: schema.Number, Tables: c.args})
			}
		}
		found, err := p.lookAt(ctx, c, with, look)
		if err != nil {
			return cli.Status(doctor.ExitStatus(doctor.Unknown), err)
		}
		return p.printFindings(c, found)
	})
	return p.WithJSON(cmd)
}

// lookAt looks at the ini file's pair, or with those of other files at all of a set.
func (p *program) lookAt(ctx context.Context, c *call, with []string, look diagnosis.Look) ([]doctor.Finding, error) {
	if len(with) == 0 {
		return look(ctx, &c.pair)
	}
	members := []diagnosis.Member{{Pair: c.pair, File: p.ConfigFile()}}
	for _, file := range with {
		its, err := settingsIn(file)
		if err != nil {
			return nil, err
		}
		its.pair.Log = c.pair.Log
		members = append(members, diagnosis.Member{Pair: its.pair, File: file})
	}
	return diagnosis.Whole(ctx, members, look)
}

// printFindings prints what was found and tells by the exit status how bad it is.
func (p *program) printFindings(c *call, found []doctor.Finding) error {
	status := cli.ExitDone
	t := &cli.Table{Columns: []cli.Column{{Title: "Result"}, {Title: "Side"}, {Title: "Check"}, {Title: "Object"}, {Title: "Found"}}}
	for _, f := range found {
		status = max(status, doctor.ExitStatus(f.Result))
		lines := f.Lines()
		t.Add(f.Result, strings.TrimSpace(f.Side+" "+f.Node), f.Check, f.Object, lines[0])
		for _, line := range lines[1:] {
			t.Add("", "", "", "", line)
		}
	}
	var err error
	if p.JSON() {
		err = printJSON(c.out, found)
	} else {
		err = t.WriteText(c.out)
	}
	if err != nil {
		return err
	}
	return cli.Status(status, nil)
}
