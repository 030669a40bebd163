// Command pgqadm sets up and runs the queues of one PostgreSQL database.
//
//	pgqadm [flags] FILE.ini COMMAND [ARGS] [flags]
//
// `install` makes the schemas, `ticker` is the daemon that makes ticks and
// keeps the queues small, of one database or of all of a server. `status`,
// `queues`, `consumers`, `batch`, `events`, `retry`, `dead` and `detached` show
// what there is, `doctor` what is wrong; the others create, drop and configure queues,
// register consumers and insert events. Commands run beside the daemon and take
// no pidfile.
//
// `queue_mover`, `queue_splitter`, `simple_consumer` and `webhook` are daemons
// that take events elsewhere, each with a section of its own in the ini file.
//
// Called pgqd, it is the ticker alone: pgqd [flags] FILE.ini. The ini file of
// a pgqd, with many databases, is taken by either name.
//
// Results go to stdout, messages to stderr and to the log file. Exit status:
// 0 done, 1 failed, 2 wrong usage or a mistake in the ini file.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/failpoint"
)

func main() {
	if err := failpoint.ArmFromEnv(); err != nil {
		fmt.Fprintln(os.Stderr, "pgqadm: error:", err)
		os.Exit(cli.ExitUsage)
	}
	os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process it runs in. args[0] is the
// name it was called by.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := newProgram(cli.ProgramName(args[0], "pgqadm", "pgqd"))
	return p.Run(ctx, args[1:], stdin, stdout, stderr)
}

// program is the tree of commands.
type program struct {
	*cli.App
	database string // --database
}

func newProgram(name string) *program {
	if name == "pgqd" {
		p := &program{App: cli.New(name, "Make ticks of the queues of PostgreSQL databases", cli.Version, pgqdKeys)}
		p.Root.Args = cobra.NoArgs
		p.Root.RunE = p.runTicker
		return p
	}
	p := &program{App: cli.New(name, "Set up and run queues in a PostgreSQL database", cli.Version, keys)}
	p.Also = []cli.Section{{Name: "pgqd", Keys: pgqdKeys, Instead: true}}
	for _, q := range queuePrograms {
		for _, name := range q.sections() {
			p.Also = append(p.Also, cli.Section{Name: name, Keys: q.keys})
		}
		p.Root.AddCommand(p.queueProgramCommand(q))
	}
	p.Root.PersistentFlags().StringVar(&p.database, "database", "", "database to work in, where the ini file names a whole server")
	p.Root.AddCommand(
		p.installCommand(), p.printExtensionCommand(), p.tickerCommand(), p.statusCommand(), p.doctorCommand(),
		p.queuesCommand(), p.createCommand(), p.dropCommand(), p.configCommand(),
		p.insertCommand(), p.eventsCommand(), p.batchCommand(), p.retryCommand(), p.deadCommand(),
		p.consumersCommand(), p.registerCommand(), p.unregisterCommand(), p.detachedCommand(), p.serveCommand(),
	)
	return p
}
