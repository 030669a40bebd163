// Command londiste replicates tables from one PostgreSQL database to another.
//
//	londiste [flags] FILE.ini COMMAND [ARGS] [flags]
//
// The ini file names the two databases and the queue between them. Commands
// under `provider` say what can be replicated, those under `subscriber` what
// is; `replay` is the daemon that does it, `status` tells how it goes.
//
// Results go to stdout, messages to stderr and to the log file. Exit status:
// 0 done, 1 failed, 2 wrong usage or a mistake in the ini file; `missing`, `check`, `compare`, `repair` and `doctor`
// say 1 for differences and 2 for could not tell.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/failpoint"
)

// section is the name of the program and of its ini section.
const section = "londiste"

func main() {
	if err := failpoint.ArmFromEnv(); err != nil {
		fmt.Fprintln(os.Stderr, "londiste: error:", err)
		os.Exit(cli.ExitUsage)
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process it runs in.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newProgram().Run(ctx, args, stdin, stdout, stderr)
}

// program is the tree of commands.
type program struct{ *cli.App }

func newProgram() *program {
	p := &program{cli.New(section, "Replicate tables between PostgreSQL databases", cli.Version, keys)}
	p.Also = []cli.Section{{Name: proxySection, Keys: proxyKeys}}
	p.Root.AddCommand(p.installBoth(), p.addBoth(), p.providerCommands(), p.subscriberCommands(), p.replayCommand(), p.waitSyncCommand(), p.compareCommand(), p.repairCommand(), p.statusCommand(), p.doctorCommand(), p.serveCommand(), p.proxyCommand())
	return p
}
