package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) installCommand() *cobra.Command {
	var printSQL bool
	cmd := cli.NoConfig(&cobra.Command{
		Use: "install", Short: "Install the schemas, or bring them to this version", Args: cobra.NoArgs,
		Long: "Installs the schemas pgq, pgq_node, pgq_coop, pgq_ext, londiste and skytools in one transaction, or\n" +
			"brings them to this program's version. The role needs the right CREATE on the database and nothing more.",
	})
	cmd.Flags().BoolVar(&printSQL, "print-sql", false, "print the statements instead; needs no FILE.ini")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case printSQL:
			return schema.Print(cmd.OutOrStdout())
		case p.ConfigFile() == "":
			return hint.With(cli.Usage(errors.New("need config file")), "%s FILE.ini install", p.Name)
		}
		return p.connected(p.install)(cmd, args)
	}
	return cmd
}

func (p *program) install(ctx context.Context, c *call) error {
	report, err := schema.Install(ctx, c.conn, schema.Options{Log: c.log})
	if err != nil {
		return err
	}
	for _, line := range report.Lines() {
		c.log.Info(line)
	}
	return nil
}

func (p *program) statusCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Show queues and consumers", Args: cobra.NoArgs}
	cmd.RunE = p.command(func(ctx context.Context, c *call) error {
		status, err := pgq.ReadStatus(ctx, c.conn)
		if err != nil {
			return err
		}
		if !p.JSON() {
			return status.WriteText(c.out)
		}
		text, err := json.MarshalIndent(status, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, string(text))
		return err
	})
	return p.WithJSON(cmd)
}
