package cli

import "github.com/spf13/cobra"

// ServeCommand is a program's command `serve`, without its work: to serve over
// HTTP what daemon does, without what that does besides. listen is where, "" if
// the command line does not say.
func ServeCommand(daemon, without string) (cmd *cobra.Command, listen *string) {
	cmd = &cobra.Command{
		Use: "serve", Short: "Serve metrics, health and pages, without " + without, Args: cobra.NoArgs,
		Long: "Serves until it is interrupted what " + daemon + " serves where http_listen is set: see docs/monitoring.md.\n" +
			"It listens as --listen says, else as http_listen, else on port 8090 of localhost.",
	}
	return cmd, cmd.Flags().String("listen", "", "HOST:PORT, a port of localhost, or the path of a Unix socket")
}
