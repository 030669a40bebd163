package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) installCommand() *cobra.Command {
	var printSQL, from, to bool
	cmd := cli.NoConfig(&cobra.Command{
		Use: "install", Short: "Install the schemas, or bring them to this version", Args: cobra.NoArgs,
		Long: "Installs the schemas pgq, pgq_node, pgq_coop, pgq_ext, londiste and skytools in one transaction, or\n" +
			"brings them to this program's version. The role needs the right CREATE on the database and nothing more.\n" +
			"Where the real extension pgq is installed it stays, and the rest is installed beside it, by a role that\n" +
			"is a member of pgq_admin. A superuser moves a database from the one to the other while it is in use.",
	})
	cmd.Flags().BoolVar(&printSQL, "print-sql", false, "print the statements instead; needs no FILE.ini")
	cmd.Flags().BoolVar(&from, "from-extension", false, "make the extension pgq's schema, with all in it, this program's")
	cmd.Flags().BoolVar(&to, "to-extension", false, "give schema pgq, with all in it, to the extension")
	cmd.MarkFlagsMutuallyExclusive("print-sql", "from-extension", "to-extension")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case printSQL:
			return schema.Print(cmd.OutOrStdout())
		case p.ConfigFile() == "":
			return hint.With(cli.Usage(errors.New("need config file")), "%s FILE.ini install", p.Name)
		}
		how := schema.Install
		if from {
			how = schema.FromExtension
		} else if to {
			how = schema.ToExtension
		}
		return p.connected(func(ctx context.Context, c *call) error { return p.install(ctx, c, how) })(cmd, args)
	}
	return cmd
}

// installer is [schema.Install] or a move that ends with it.
type installer func(context.Context, *pgx.Conn, schema.Options) (schema.Report, error)

func (p *program) install(ctx context.Context, c *call, how installer) error {
	report, err := how(ctx, c.conn, schema.Options{Log: c.log})
	if err != nil {
		return err
	}
	for _, line := range report.Lines() {
		c.log.Info(line)
	}
	return nil
}
