package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// detachedEnv tells the child that descriptor 3 is the readiness pipe.
const detachedEnv = "SKYTOOLS_DETACHED"

const readyFd = 3

// readyPipe is the child's end of the pipe, nil in any other process.
var readyPipe = sync.OnceValue(func() *os.File {
	if os.Getenv(detachedEnv) == "" {
		return nil
	}
	// Not for our own children; and not to be believed without the pipe.
	_ = os.Unsetenv(detachedEnv)
	var st unix.Stat_t
	if unix.Fstat(readyFd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	unix.CloseOnExec(readyFd)
	return os.NewFile(readyFd, "ready")
})

var readyOnce sync.Once

// Detached tells whether this process is the child that [Detach] started.
func Detached() bool { return readyPipe() != nil }

// Detach starts this program with the same arguments in the background and
// waits until it is [Ready]: status 0. When it ends before, Detach returns
// its exit status; what it said is on stderr by then. When ctx ends before,
// the child is stopped. The working directory stays, for relative paths.
func Detach(ctx context.Context, stderr io.Writer) (status int, err error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("daemon: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("daemon: %w", err)
	}
	defer r.Close()
	cmd := &exec.Cmd{
		Path: exe, Args: os.Args, Env: append(os.Environ(), detachedEnv+"=1"),
		ExtraFiles:  []*os.File{w},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	_ = w.Close()
	if err != nil {
		return 0, fmt.Errorf("daemon: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	// The child closes its stderr, by going to /dev/null, before it says that
	// it is ready: so first all it has to say, then the verdict.
	_, _ = io.Copy(stderr, said)
	if n, _ := r.Read(make([]byte, 1)); n == 1 {
		return 0, nil
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), nil
	case err != nil:
		return 0, fmt.Errorf("daemon ended before it was ready: %w", err)
	}
	return 0, errors.New("daemon ended before it was ready")
}

// Ready tells whoever waits, the parent of a detached process or systemd,
// that the program is up. From then on a detached process has no stderr.
func Ready() error {
	var err error
	readyOnce.Do(func() {
		if pipe := readyPipe(); pipe != nil {
			err = silence()
			_, werr := pipe.Write([]byte{1})
			err = errors.Join(err, werr, pipe.Close())
		}
	})
	return errors.Join(err, notify(fmt.Sprintf("MAINPID=%d\nREADY=1", os.Getpid())))
}

// Stopping tells systemd that the program is on its way out.
func Stopping() error { return notify("STOPPING=1") }

// silence points stderr to /dev/null; stdin and stdout are there already.
func silence() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return dup(int(null.Fd()), 2)
}

// notify speaks systemd's protocol: one datagram of NAME=value lines.
func notify(state string) error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	_, err = io.WriteString(conn, state)
	return errors.Join(err, conn.Close())
}
