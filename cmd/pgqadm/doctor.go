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
	var managed bool
	columns := []cli.Column{
		{Title: "Result", Key: "result"},
		{Title: "Check", Key: "check"},
		{Title: "Queue", Key: "object"},
		{Title: "Found", Key: "text"},
		{Key: "why"},
		{Key: "mend"},
	}
	status := cli.ExitDone
	tell := func(c *call, findings []doctor.Finding) {
		for _, f := range findings {
			status = max(status, doctor.ExitStatus(f.Result))
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
	}
	look := p.everywhere(columns, func(ctx context.Context, c *call) error {
		findings, err := doctor.Examine(ctx, c.conn, schema.Number)
		tell(c, findings)
		return err
	})
	rights := p.connected(func(ctx context.Context, c *call) error {
		t := &cli.Table{Columns: columns}
		c.add = t.Add
		findings, err := doctor.Managed(ctx, c.conn)
		tell(c, findings)
		return errors.Join(p.Print(c.out, t), err)
	})
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for trouble and say what to do", Args: cobra.NoArgs,
		Long: "Looks at the server and the way to it, then at schema, ticker, rotation, consumers, retries, dead letters,\n" +
			"rights, sequences and transaction ids, and changes nothing. docs/doctor.md lists the checks.\n" +
			"--managed tells instead what the server lets this role do, with the grants for what it does not; PgQ need not\n" +
			"be installed for it.\n" +
			"Exit status: 0 all is well, 1 something was found, 2 something could not be told, or no connection made.",
		RunE: func(cmd *cobra.Command, args []string) error {
			status = cli.ExitDone
			run := look
			if managed {
				run = rights
			}
			err := run(cmd, args)
			if unreached(err) {
				return cli.Status(doctor.ExitStatus(doctor.Unknown), err)
			}
			if err != nil {
				return err
			}
			return cli.Status(status, nil)
		},
	}
	cmd.Flags().BoolVar(&managed, "managed", false, "tell which features work for this role on this server")
	return p.WithJSON(cmd)
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
