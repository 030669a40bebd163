package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/schema"
)

func (p *program) printExtensionCommand() *cobra.Command {
	cmd := cli.NoConfig(&cobra.Command{
		Use: "print-extension DIR", Short: "Write the schemas as an extension, for create extension pgq", Args: cobra.ExactArgs(1),
		Long: "Writes the control and SQL files of extension pgq, and of pgq_node, pgq_coop, pgq_ext and londiste,\n" +
			"which are contained in it, into a folder where a server looks for extensions:\n" +
			"`$(pg_config --sharedir)/extension`, or a folder named extension in one that PostgreSQL 18 has\n" +
			"in extension_control_path. Files of another extension are not overwritten. Needs no FILE.ini.",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := schema.WriteExtension(args[0])
		for _, name := range names {
			fmt.Fprintln(cmd.OutOrStdout(), name)
		}
		return err
	}
	return cmd
}
