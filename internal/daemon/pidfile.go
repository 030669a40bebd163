package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
)

// said is an error in Skytools' own words, capitals and all.
type said string

func (s said) Error() string { return string(s) }

// What can be wrong with a pidfile.
const (
	ErrNeedPidfile = said("Daemon needs pidfile")
	ErrRunning     = said("Pidfile exists, another process running?")
	ErrNoPidfile   = said("No pidfile in config, nothing todo")
	ErrNotRunning  = said("No pidfile, process not running")
	ErrStale       = said("pidfile exist, but process not running")
)

// patience is how long Acquire tries against a lock that may only be that of
// a -s -k -r looking whether someone runs.
const patience = 200 * time.Millisecond

// Pidfile is the file of the running process, locked until Remove.
type Pidfile struct {
	path string
	f    *os.File
}

// Acquire makes path this process's pidfile. It fails with [ErrRunning] while
// another process holds it, and takes over that of a dead one.
func Acquire(path string, log *slog.Logger) (*Pidfile, error) {
	deadline := time.Now().Add(patience)
	for {
		p, err := try(path, log)
		if err == nil || !errors.Is(err, errAgain) {
			return p, err
		}
		if time.Now().After(deadline) {
			return nil, running(path)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var errAgain = errors.New("pidfile is locked or was replaced")

func try(path string, log *slog.Logger) (*Pidfile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	p := &Pidfile{path, f}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errAgain
		}
		return nil, fmt.Errorf("lock pidfile %s: %w", path, err)
	}
	// Its owner may have removed the file between our open and our lock.
	if !p.ours() {
		_ = f.Close()
		return nil, errAgain
	}
	if pid := firstLine(f); pid != "" {
		log.Info("Ignoring stale pidfile", "pidfile", path, "pid", pid)
	}
	if err := p.write(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write pidfile %s: %w", path, err)
	}
	return p, nil
}

func (p *Pidfile) write() error {
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	_, err := p.f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// ours tells whether the path still leads to the locked file.
func (p *Pidfile) ours() bool {
	mine, err := p.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(p.path)
	return err == nil && os.SameFile(mine, now)
}

// Remove removes the file, unless another process's stands in its place, and
// gives up the lock. The file goes first: who gets the lock must see that.
func (p *Pidfile) Remove() error {
	var err error
	if p.ours() {
		err = os.Remove(p.path)
	}
	return errors.Join(err, p.f.Close())
}

func running(path string) error {
	pid := "?"
	if f, err := os.Open(path); err == nil {
		pid = firstLine(f)
		_ = f.Close()
	}
	return hint.With(fmt.Errorf("%w (%s, process %s)", ErrRunning, path, pid), "-s stops it after its current work, -k at once")
}

func firstLine(f *os.File) string {
	line, _ := bufio.NewReader(f).ReadString('\n')
	return strings.TrimSpace(line)
}

// holder returns the process id in the pidfile if that process lives, else
// one of ErrNoPidfile, ErrNotRunning, ErrStale.
func holder(path string) (int, error) {
	if path == "" {
		return 0, ErrNoPidfile
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w (%s)", ErrNotRunning, path)
	}
	if err != nil {
		return 0, fmt.Errorf("pidfile: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return 0, fmt.Errorf("%w (%s)", ErrStale, path)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, fmt.Errorf("lock pidfile %s: %w", path, err)
	}
	pid, err := strconv.Atoi(firstLine(f))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("pidfile %s holds no process id", path)
	}
	return pid, nil
}

// Signal sends sig to the process that holds the pidfile and returns its id.
// Nothing running is an error.
func Signal(path string, sig syscall.Signal) (int, error) {
	pid, err := holder(path)
	if err != nil {
		return 0, err
	}
	err = syscall.Kill(pid, sig)
	if errors.Is(err, syscall.EPERM) {
		err = hint.With(err, "run this as the user that the process runs as")
	}
	if err != nil {
		return 0, fmt.Errorf("signal process %d: %w", pid, err)
	}
	return pid, nil
}

// Wait blocks until no process holds the pidfile, or ctx ends.
func Wait(ctx context.Context, path string) error {
	for {
		_, err := holder(path)
		if errors.Is(err, ErrNotRunning) || errors.Is(err, ErrStale) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
