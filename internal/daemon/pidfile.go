package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
	ErrForeign     = said("pidfile exist, but its process is not this program's")
)

// patience is how long Acquire tries against a lock that may only be that of
// a -s -k -r looking whether someone runs, and against a process that may be
// on its way out: it gives up the lock a moment before it is gone.
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
		switch {
		case !errors.Is(err, errAgain) && !errors.Is(err, ErrRunning):
			return p, err
		case time.Now().Before(deadline):
		case errors.Is(err, ErrRunning):
			return nil, err
		default:
			return nil, running(path)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var errAgain = errors.New("pidfile is locked or was replaced")

func try(path string, log *slog.Logger) (*Pidfile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, hint.With(fmt.Errorf("pidfile: %w", err), "pidfile in the ini file must name a file in a folder that is there and may be written")
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
	if pid := foreign(f); pid != 0 {
		_ = f.Close()
		return nil, hint.With(fmt.Errorf("%w (%s, process %d)", ErrRunning, path, pid),
			"it does not lock the file as this program does: end it, or remove %s if it has nothing to do with it", path)
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

// foreign is the process of an unlocked pidfile that lives and is older than
// the file: another program's daemon, Skytools' own say. One that is younger
// got the number of a dead one by chance. 0: there is none.
func foreign(f *os.File) int {
	pid, err := strconv.Atoi(firstLine(f))
	if err != nil || pid <= 1 || pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	written, err := f.Stat()
	at, alive := started(pid)
	if err != nil || !alive || at.After(written.ModTime().Add(time.Second)) {
		return 0
	}
	return pid
}

func firstLine(f *os.File) string {
	line, _ := bufio.NewReader(io.NewSectionReader(f, 0, 64)).ReadString('\n')
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
		if pid := foreign(f); pid != 0 {
			return 0, hint.With(fmt.Errorf("%w (%s, process %d)", ErrForeign, path, pid),
				"it does not lock the file as this program does: end it by its own command")
		}
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
