package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skytools-go/skytools/internal/pgserver"
)

// The two ini files of the tutorial, with this run's ports.
const (
	tickerINI = `[pgqadm]
job_name = ticker
db = dbname=%[1]s host=127.0.0.1 port=%[2]d user=%[4]s
# how often to run maintenance [minutes]
maint_delay_min = 1
# how often to check for activity [secs]
loop_delay = 0.1
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
use_skylog = 0
`
	replicaINI = `[londiste]
job_name = lmaster_to_slave
provider_db = dbname=%[1]s host=127.0.0.1 port=%[2]d user=%[4]s
subscriber_db = dbname=%[1]s host=127.0.0.1 port=%[3]d user=%[4]s
# it will be used as sql ident so no dots/spaces
pgq_queue_name = londiste.write
pidfile = %%(job_name)s.pid
logfile = %%(job_name)s.log
use_skylog = 0
`
)

// pidfiles of the two daemons, relative to the demo's folder.
var pidfiles = []string{"lmaster_to_slave.pid", "ticker.pid"}

func (d *demo) bin(name string) string { return filepath.Join(d.dir, "bin", name) }

func (d *demo) build(ctx context.Context) error {
	return d.step("build", func() (string, error) {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(d.dir, "bin")+"/", "./cmd/pgqadm", "./cmd/londiste")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		for _, name := range []string{"pgqadm", "londiste"} {
			if err := os.Symlink(name, d.bin(name+".py")); err != nil {
				return "", err
			}
		}
		return "pgqadm and londiste", nil
	})
}

func (d *demo) makeDatabases(ctx context.Context) error {
	return d.step("database "+database+" of the ordinary role "+owner+" on both, with table entry(id serial primary key, item text)", func() (string, error) {
		for _, s := range []*side{d.provider, d.subscriber} {
			if err := s.createDatabase(ctx); err != nil {
				return "", err
			}
		}
		for name, text := range map[string]string{"ticker.ini": tickerINI, "replica.ini": replicaINI} {
			text = fmt.Sprintf(text, database, d.provider.server.Port(), d.subscriber.server.Port(), owner)
			if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
				return "", err
			}
		}
		return "", nil
	})
}

// typed runs one command line in the demo's folder, prints it as typed with
// its time, and below it what it said.
func (d *demo) typed(ctx context.Context, line string) error {
	words := strings.Fields(line)
	cmd := exec.CommandContext(ctx, d.bin(words[0]), words[1:]...)
	cmd.Dir = d.dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	err := cmd.Run()
	fmt.Fprintf(d.out, "%7.2f s  $ %s\n", time.Since(start).Seconds(), line)
	for text := range strings.Lines(said.String()) {
		fmt.Fprint(d.out, "             ", text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// clear stops what an earlier run left and removes the folder.
func (d *demo) clear(ctx context.Context) error {
	var errs []error
	for _, name := range pidfiles {
		errs = append(errs, stopDaemon(ctx, filepath.Join(d.dir, name)))
	}
	for _, s := range []*side{d.provider, d.subscriber} {
		if s != nil && s.server != nil {
			errs = append(errs, s.server.Remove())
		}
	}
	if d.provider == nil {
		pgserver.StopStrays(d.dir)
	}
	return errors.Join(append(errs, removeAll(d.dir))...)
}

// stop ends what KEEP=1 left.
func (d *demo) stop(ctx context.Context) error {
	if _, err := os.Stat(d.dir); err != nil {
		return fmt.Errorf("no demo is running: %w", err)
	}
	return d.clear(ctx)
}

// stopDaemon ends the daemon of a pidfile, if it runs, and waits for its end.
func stopDaemon(ctx context.Context, pidfile string) error {
	pid, ok := readPID(pidfile)
	if !ok || !pgserver.RunsIn(pid, filepath.Dir(pidfile)) || syscall.Kill(pid, syscall.SIGTERM) != nil {
		return nil
	}
	return until(ctx, "the end of process "+fmt.Sprint(pid), func() (bool, error) { return syscall.Kill(pid, 0) != nil, nil })
}

func readPID(file string) (int, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid <= 1 {
		return 0, false
	}
	return pid, true
}

// showLogs prints the end of every log, for a demo that failed.
func (d *demo) showLogs() {
	logs, err := filepath.Glob(filepath.Join(d.dir, "*.log"))
	if err != nil {
		return
	}
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		fmt.Fprintf(d.out, "\n%s ends:\n%s\n", filepath.Base(file), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}
