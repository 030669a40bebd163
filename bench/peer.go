package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peer is a way to replicate the table of a pair.
type peer interface {
	prepare(ctx context.Context) error // everything but the table
	attach(ctx context.Context) error  // copies the table; returns when it is in sync
	pause(ctx context.Context) error   // applies nothing from then on
	resume(ctx context.Context) error
	daemons() []int // processes beside the servers
	stop(ctx context.Context) error
}

func (b *bench) peer(who string, p *pair) peer {
	switch who {
	case ours:
		return &skytools{pair: p, programs: programs{b.bin, b.dir}}
	case oneStream:
		return &skytools{pair: p, programs: programs{b.bin, b.dir}, ini: "copy_chunk_size = 1TB\n"}
	case upstream:
		return &londiste3{p, programs{debianBin, b.dir}}
	case dump:
		return pgDump{p, b.dir}
	}
	return native{p}
}

// both are the peers of all sections but the first.
var both = []string{"native", ours}

// native is built-in logical replication as it comes.
type native struct{ *pair }

func (n native) prepare(ctx context.Context) error {
	return n.provider.exec(ctx, "create publication p for table ev")
}

func (n native) attach(ctx context.Context) error {
	err := n.subscriber.exec(ctx, "create subscription s connection '"+n.provider.dsn()+"' publication p")
	if err != nil {
		return err
	}
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		return one[bool](ctx, n.subscriber, "select count(*) = 1 from pg_subscription_rel where srsubstate = 'r'")
	})
}

func (n native) pause(ctx context.Context) error {
	if err := n.subscriber.exec(ctx, "alter subscription s disable"); err != nil {
		return err
	}
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		return one[bool](ctx, n.provider, "select not exists (select from pg_replication_slots where active)")
	})
}

func (n native) resume(ctx context.Context) error {
	return n.subscriber.exec(ctx, "alter subscription s enable")
}

func (n native) daemons() []int { return nil }

// stop lets the subscription go with its slot: servers that are removed at
// once would do without.
func (n native) stop(ctx context.Context) error {
	return n.subscriber.exec(ctx, "drop subscription if exists s")
}

// skytools is this project, driven by the commands of the tutorial.
type skytools struct {
	*pair
	programs
	ini string // more of the subscriber's
}

// programs are ours, with their ini files in dir.
type programs struct{ bin, dir string }

// The two ini files: nothing in them but what they must have.
const (
	tickerINI = `[pgqadm]
job_name = ticker
db = %s
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
`
	replicaINI = `[londiste]
job_name = replica
provider_db = %s
subscriber_db = %s
pgq_queue_name = bench
logfile = %%(job_name)s.log
pidfile = %%(job_name)s.pid
`
)

// inis are the ini files by name.
func (s *skytools) inis() map[string]string {
	return map[string]string{
		"ticker":  fmt.Sprintf(tickerINI, s.provider.dsn()),
		"replica": fmt.Sprintf(replicaINI, s.provider.dsn(), s.subscriber.dsn()) + s.ini,
	}
}

func (s *skytools) prepare(ctx context.Context) error {
	for name, text := range s.inis() {
		if err := os.WriteFile(filepath.Join(s.dir, name+".ini"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return s.command(ctx,
		"pgqadm ticker.ini install",
		"pgqadm ticker.ini ticker -d",
		"londiste replica.ini provider install",
		"londiste replica.ini subscriber install",
		"londiste replica.ini provider add ev",
		"londiste replica.ini replay -d",
	)
}

func (s *skytools) attach(ctx context.Context) error {
	if err := s.command(ctx, "londiste replica.ini subscriber add ev"); err != nil {
		return err
	}
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		return one[bool](ctx, s.subscriber, "select count(*) = 1 from londiste.table_info where local and merge_state = 'ok'")
	})
}

func (s *skytools) pause(ctx context.Context) error {
	if err := s.command(ctx, "londiste replica.ini replay -s"); err != nil {
		return err
	}
	return s.gone(ctx, "replica.pid")
}

func (s *skytools) resume(ctx context.Context) error {
	return s.command(ctx, "londiste replica.ini replay -d")
}

func (s programs) daemons() []int { return s.pids("ticker.pid", "replica.pid") }

// pids are those in the pidfiles that are there.
func (s programs) pids(files ...string) []int {
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(s.dir, file))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *skytools) stop(ctx context.Context) error {
	var errs []error
	for file, line := range map[string]string{
		"replica.pid": "londiste replica.ini replay -k",
		"ticker.pid":  "pgqadm ticker.ini ticker -k",
	} {
		if _, err := os.Stat(filepath.Join(s.dir, file)); err == nil {
			errs = append(errs, s.command(ctx, line), s.gone(ctx, file))
		}
	}
	return errors.Join(errs...)
}

// gone waits for a daemon's end, when it removes its pidfile.
func (s programs) gone(ctx context.Context, pidfile string) error {
	return until(ctx, 20*time.Millisecond, func() (bool, error) {
		_, err := os.Stat(filepath.Join(s.dir, pidfile))
		return errors.Is(err, fs.ErrNotExist), nil
	})
}

// command runs command lines in the folder of the ini files.
func (s programs) command(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		cmd := exec.CommandContext(ctx, filepath.Join(s.bin, words[0]), words[1:]...)
		cmd.Dir = s.dir
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w\n%s", line, err, said.String())
		}
	}
	return nil
}
