package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) doctorCommand() *cobra.Command {
	columns := []cli.Column{
		{Title: "Result", Key: "result"},
		{Title: "Check", Key: "check"},
		{Title: "Queue", Key: "object"},
		{Title: "Found", Key: "text"},
		{Key: "why"},
		{Key: "mend"},
	}
	status := cli.ExitDone
	look := p.everywhere(columns, func(ctx context.Context, c *call) error {
		findings, err := doctor.Examine(ctx, c.conn, schema.Number)
		for _, f := range findings {
			status = max(status, seriousness[f.Result])
			if p.JSON() {
				c.add(f.Result, f.Check, f.Object, f.Text, f.Why, f.Mend)
				continue
			}
			lines := f.Lines()
			c.add(f.Result, f.Check, f.Object, lines[0], "", "")
			for _, line := range lines[1:] {
				c.add("", "", "", line, "", "")
			}
		}
		return err
	})
	return p.WithJSON(&cobra.Command{
		Use: "doctor", Short: "Look for trouble and say what to do", Args: cobra.NoArgs,
		Long: "Looks at the server and the way to it, then at schema, ticker, rotation, consumers, retries, dead letters,\n" +
			"rights, sequences and transaction ids, and changes nothing. docs/doctor.md lists the checks.\n" +
			"Exit status: 0 all is well, 1 something was found, 2 something could not be told, or no connection made.",
		RunE: func(cmd *cobra.Command, args []string) error {
			status = cli.ExitDone
			err := look(cmd, args)
			if unreached(err) {
				return cli.Status(seriousness[doctor.Unknown], err)
			}
			if err != nil {
				return err
			}
			return cli.Status(status, nil)
		},
	})
}

// unreached tells that there was no session to look from: the server is not
// there, or refuses it, for good or until it has room or has started.
func unreached(err error) bool {
	if _, lost := errors.AsType[*pgconn.ConnectError](err); lost || hint.Refused(err) {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "53300" || pg.Code == "57P03")
}

// seriousness is the exit status that a result means.
var seriousness = map[doctor.Result]int{doctor.Sound: 0, doctor.Warning: 1, doctor.Failed: 1, doctor.Unknown: 2}
