package pgserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A socket's path may have 107 bytes on Linux; ours adds `/1/s/.s.PGSQL.NNNNN`.
const (
	maxSocketPath = 99
	runPrefix     = "r"
	lockName      = "lock"
)

// run is this process's folder for servers: made at the first Start without a
// folder of the caller's own, removed by RemoveAll.
var run struct {
	sync.Mutex
	dir  string
	lock *os.File
	next int
}

// runFolder returns a new, empty folder for one server.
func runFolder(acc account) (string, error) {
	run.Lock()
	defer run.Unlock()
	if run.dir == "" {
		if err := makeRunFolder(acc); err != nil {
			return "", err
		}
	}
	run.next++
	dir := filepath.Join(run.dir, strconv.Itoa(run.next))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, nil
}

func makeRunFolder(acc account) error {
	base, gate, err := lockBase(acc)
	if err != nil {
		return err
	}
	defer gate.Close()
	sweep(base)
	dir, err := os.MkdirTemp(base, runPrefix)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	run.lock, err = lockFile(filepath.Join(dir, lockName), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	run.dir = dir
	return nil
}

// lockBase makes the base folder and locks it: one process at a time works
// there, so that a sweeper meets no folder which its owner has made but not
// locked yet. The last process to leave removes the base folder, perhaps while
// we wait for the lock; a lock on a file that is gone protects nothing.
func lockBase(acc account) (base string, gate *os.File, err error) {
	for range 50 {
		base, err = baseFolder(acc)
		if err != nil {
			return "", nil, err
		}
		path := filepath.Join(base, lockName)
		gate, err = lockFile(path, syscall.LOCK_EX)
		if err != nil {
			continue
		}
		held, err1 := gate.Stat()
		named, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return base, gate, nil
		}
		gate.Close()
		err = errors.New("it was removed meanwhile")
	}
	return "", nil, fmt.Errorf("lock %s: %w", base, err)
}

// baseFolder picks a temp folder that the account can enter and whose name is
// short enough for a socket.
func baseFolder(acc account) (string, error) {
	name := "skytools-pg-" + strconv.Itoa(os.Getuid())
	var last error
	for _, temp := range []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm"} {
		base := filepath.Join(temp, name)
		if len(base)+len("/r1234567890/99/s/.s.PGSQL.65535") > maxSocketPath {
			last = fmt.Errorf("%s is too long a name for sockets below it", temp)
			continue
		}
		if last = os.MkdirAll(base, 0o755); last != nil {
			continue
		}
		if last = ours(base); last != nil {
			continue
		}
		if !acc.enters(base) {
			last = fmt.Errorf("user %d cannot enter %s", acc.uid, base)
			_ = os.Remove(base) // succeeds only if it is empty
			continue
		}
		return base, nil
	}
	return "", fmt.Errorf("no folder for throwaway servers: %w", last)
}

// ours refuses a base folder that somebody else has put there.
func ours(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !st.IsDir() || !ok || int(sys.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a folder of our own", dir)
	}
	return nil
}

// sweep removes the folders of processes that ended without doing so. The
// caller holds base's lock.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), runPrefix) {
			continue
		}
		dir := filepath.Join(base, e.Name())
		lock, err := lockFile(filepath.Join(dir, lockName), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue // its process lives
		}
		StopStrays(dir)
		_ = os.RemoveAll(dir)
		lock.Close()
	}
}

// StopStrays ends servers that still run below a folder without an owner, as
// those do that were to be kept.
func StopStrays(dir string) {
	pidFiles, _ := filepath.Glob(filepath.Join(dir, "*", "data", "postmaster.pid"))
	for _, file := range pidFiles {
		pid, _, err := readPostmasterPid(file)
		if err != nil || !RunsIn(pid, filepath.Dir(file)) {
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		for range 100 {
			if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// RunsIn tells whether dir is the working folder of process pid. A pid out of
// a file that was left behind, by a machine that went down say, can be
// anybody's by now: believe it only then.
func RunsIn(pid int, dir string) bool {
	there, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	want, err := os.Stat(dir)
	return err == nil && os.SameFile(there, want)
}

// readPostmasterPid returns the process and the state ("starting", "ready",
// "stopping", …) that a server's own file tells.
func readPostmasterPid(file string) (pid int, state string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, "", err
	}
	lines := strings.Split(string(text), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid < 2 {
		return 0, "", fmt.Errorf("%s: no pid in it", file)
	}
	if len(lines) > 7 {
		state = strings.TrimSpace(lines[7])
	}
	return pid, state, nil
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// removeRunFolder removes this process's folder, and the base folder when it
// was the last one in it.
func removeRunFolder() error {
	run.Lock()
	defer run.Unlock()
	if run.dir == "" {
		return nil
	}
	base := filepath.Dir(run.dir)
	gate, err := lockFile(filepath.Join(base, lockName), syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("lock %s: %w", base, err)
	}
	defer gate.Close()
	err = os.RemoveAll(run.dir)
	run.lock.Close()
	run.dir, run.lock = "", nil
	if left, _ := os.ReadDir(base); len(left) == 1 {
		_ = os.RemoveAll(base)
	}
	return err
}
