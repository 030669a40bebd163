package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
)

// upstream is Londiste 3 with its ticker, as Debian has them.
const upstream = "Londiste 3"

// londiste3 is Londiste 3: a root node, a leaf, a ticker. The process that it
// starts to copy a table is not among daemons; its CPU counts for nobody.
type londiste3 struct {
	*pair
	programs
}

// lacksUpstream is what is missing for it, nil where nothing is.
func lacksUpstream(ctx context.Context, s *server) error {
	const install = "not installed (Debian: python3-londiste, postgresql-NN-londiste-sql, pgqd)"
	for _, program := range []string{"londiste", "pgqd"} {
		if _, err := os.Stat(filepath.Join(debianBin, program)); err != nil {
			return fmt.Errorf("%s: %s", program, install)
		}
	}
	if err := exec.CommandContext(ctx, "/usr/bin/python3", "-c", "import londiste.playback, psycopg2").Run(); err != nil {
		return fmt.Errorf("module londiste of Python: %s", install)
	}
	conn, err := pgx.Connect(ctx, s.DSN("postgres", pgserver.Superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var n int
	err = conn.QueryRow(ctx, "select count(*) from pg_available_extensions where name in ('pgq', 'pgq_node', 'londiste')").Scan(&n)
	if err == nil && n < 3 {
		err = fmt.Errorf("extensions of the server: %s", install)
	}
	return err
}

// debianBin is where the packages put their programs; a londiste elsewhere on
// PATH may be ours.
const debianBin = "/usr/bin"

// pgqd wants another connection string for the database that it starts in.
const (
	nodeINI = `[londiste]
job_name = %s
db = %s
queue_name = bench
node_name = %[1]s
public_node_location = %[2]s
initial_provider_location = %s
loop_delay = 0.1
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
`
	pgqdINI = `[pgqd]
base_connstr = host=%s port=%d user=postgres
initial_database = ` + database + `
database_list = ` + database + `
logfile = pgqd.log
pidfile = pgqd.pid
`
)

func (l *londiste3) prepare(ctx context.Context) error {
	for name, text := range map[string]string{
		"root.ini": fmt.Sprintf(nodeINI, "root", l.provider.dsn(), l.provider.dsn()),
		"leaf.ini": fmt.Sprintf(nodeINI, "leaf", l.subscriber.dsn(), l.provider.dsn()),
		"pgqd.ini": fmt.Sprintf(pgqdINI, l.provider.Host(), l.provider.Port()),
	} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return l.command(ctx,
		"londiste root.ini create-root root",
		"londiste leaf.ini create-leaf leaf",
		"pgqd -d pgqd.ini",
		"londiste -d root.ini worker",
		"londiste -d leaf.ini worker",
		"londiste root.ini add-table ev",
	)
}

func (l *londiste3) attach(ctx context.Context) error {
	if err := l.command(ctx, "londiste leaf.ini add-table ev"); err != nil {
		return err
	}
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		return one[bool](ctx, l.subscriber, "select count(*) = 1 from londiste.table_info where local and merge_state = 'ok'")
	})
}

func (l *londiste3) pause(context.Context) error  { return errors.ErrUnsupported }
func (l *londiste3) resume(context.Context) error { return errors.ErrUnsupported }

// upstreamPids are the pidfiles of its daemons, in the order in which they end.
var upstreamPids = []string{"leaf.pid", "root.pid", "pgqd.pid"}

func (l *londiste3) daemons() []int { return l.pids(upstreamPids...) }

func (l *londiste3) stop(ctx context.Context) error {
	var errs []error
	for _, file := range upstreamPids {
		for _, pid := range l.pids(file) {
			errs = append(errs, l.end(ctx, pid), os.RemoveAll(filepath.Join(l.dir, file)))
		}
	}
	return errors.Join(errs...)
}

// end ends a daemon and waits for that. Its pidfile tells nothing: Londiste 3
// leaves it when it is told to end at once.
func (l *londiste3) end(ctx context.Context, pid int) error {
	err := syscall.Kill(pid, syscall.SIGTERM)
	if err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	return until(ctx, 20*time.Millisecond, func() (bool, error) {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH), nil
	})
}
