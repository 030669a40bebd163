package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// The test program is also the program under test: MODE says what it does.
func TestMain(m *testing.M) {
	mode := os.Getenv("MODE")
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := program(mode, os.Getenv("PIDFILE")); err != nil {
		fmt.Fprintln(os.Stderr, "program: error:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

// program is a daemon in small. Modes are words: detach, early (fails before
// Ready), die (killed before Ready), hang (is never ready).
func program(mode, pidfile string) error {
	if strings.Contains(mode, "detach") && !Detached() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if strings.Contains(mode, "hang") {
			ctx, cancel = context.WithTimeout(context.Background(), 300*time.Millisecond)
		}
		defer cancel()
		status, err := Detach(ctx, os.Stderr)
		if err == nil && status != 0 {
			os.Exit(status)
		}
		return err
	}
	p, err := Acquire(pidfile, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer p.Remove()
	fmt.Fprintln(os.Stderr, "starting")
	switch {
	case strings.Contains(mode, "early"):
		return errors.New("no such database")
	case strings.Contains(mode, "die"):
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case strings.Contains(mode, "hang"):
		time.Sleep(time.Minute)
	}
	ctx, sig, release := Listen(context.Background())
	defer release()
	if err := Ready(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "said after ready")
	fmt.Println("up")
	for {
		select {
		case <-ctx.Done():
			return os.WriteFile(pidfile+".end", []byte(context.Cause(ctx).Error()), 0o600)
		case <-sig.Stop:
			return os.WriteFile(pidfile+".end", []byte("stopped"), 0o600)
		case <-sig.Reload:
			if err := os.WriteFile(pidfile+".reload", []byte("x"), 0o600); err != nil {
				return err
			}
		case <-time.After(time.Minute):
			return errors.New("nobody stopped the daemon")
		}
	}
}

func command(t *testing.T, mode, pidfile string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "MODE="+mode, "PIDFILE="+pidfile)
	return cmd
}

// start runs the program in the foreground until it says "up".
func start(t *testing.T, mode, pidfile string) *exec.Cmd {
	t.Helper()
	cmd := command(t, mode, pidfile)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if n, err := io.ReadAtLeast(out, make([]byte, 3), 3); err != nil {
		t.Fatalf("program is not up: %d bytes, %v", n, err)
	}
	return cmd
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestPidfileOfALiveProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	cmd := start(t, "run", path)
	if got := read(t, path); got != fmt.Sprintf("%d\n", cmd.Process.Pid) {
		t.Errorf("pidfile %q, process %d", got, cmd.Process.Pid)
	}
	_, err := Acquire(path, quiet())
	want := fmt.Sprintf("Pidfile exists, another process running? (%s, process %d)", path, cmd.Process.Pid)
	if !errors.Is(err, ErrRunning) || err.Error() != want || hint.Of(err) == "" {
		t.Errorf("got %v, hint %q", err, hint.Of(err))
	}
	if !exists(path) {
		t.Error("the refused process removed the pidfile")
	}
}

func TestStalePidfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	cmd := start(t, "run", path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := Signal(path, syscall.SIGINT); !errors.Is(err, ErrStale) {
		t.Errorf("signal to a dead process: %v", err)
	}
	var log bytes.Buffer
	p, err := Acquire(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "Ignoring stale pidfile") {
		t.Errorf("log %q", log.String())
	}
	if err := p.Remove(); err != nil || exists(path) {
		t.Errorf("remove: %v, still there: %v", err, exists(path))
	}
}

// The process id in an unlocked pidfile may be that of a daemon that does not
// lock, which must not get company, or by chance that of a stranger, which
// began after the file was written. Neither gets a signal.
func TestUnlockedPidfileOfLiveProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	if err := os.WriteFile(path, []byte(strconv.Itoa(other.Process.Pid)+"\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Signal(path, syscall.SIGKILL); !errors.Is(err, ErrForeign) || hint.Of(err) == "" {
		t.Errorf("signal: %v", err)
	}
	if _, err := Acquire(path, quiet()); !errors.Is(err, ErrRunning) || hint.Of(err) == "" {
		t.Errorf("acquire: %v", err)
	}

	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
	if _, err := Signal(path, syscall.SIGKILL); !errors.Is(err, ErrStale) {
		t.Errorf("signal to a stranger: %v", err)
	}
	p, err := Acquire(path, quiet())
	if err != nil {
		t.Fatalf("a stale pidfile with a live stranger's id: %v", err)
	}
	defer p.Remove()
	if got := read(t, path); got != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("pidfile %q", got)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process is gone: %v", err)
	}

	// One that has ended but whose parent has not asked for it yet is dead.
	_ = other.Process.Kill()
	pgtest.Eventually(t, 10*time.Second, "the process is a zombie", func() bool {
		_, alive := started(other.Process.Pid)
		return !alive
	})
}

func TestOnlyOneOfManyAcquires(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	const many = 20
	got := make(chan *Pidfile, many)
	for range many {
		go func() {
			p, _ := Acquire(path, quiet())
			got <- p
		}()
	}
	var held []*Pidfile
	for range many {
		if p := <-got; p != nil {
			held = append(held, p)
		}
	}
	if len(held) != 1 {
		t.Fatalf("%d of %d hold the pidfile", len(held), many)
	}
	if err := held[0].Remove(); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveLeavesAnothersPidfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	p, err := Acquire(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil || !exists(path) {
		t.Errorf("remove: %v, the other's file is there: %v", err, exists(path))
	}
}

func TestSignalsAndWhatTheySay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for _, c := range []struct {
		path string
		want error
	}{{"", ErrNoPidfile}, {path, ErrNotRunning}} {
		if _, err := Signal(c.path, syscall.SIGINT); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.path, err, c.want)
		}
	}
	for sig, end := range map[syscall.Signal]string{syscall.SIGINT: "stopped", syscall.SIGTERM: "ended by SIGTERM"} {
		cmd := start(t, "run", path)
		pid, err := Signal(path, syscall.SIGHUP)
		if err != nil || pid != cmd.Process.Pid {
			t.Errorf("hangup: process %d, %v", pid, err)
		}
		pgtest.Eventually(t, 10*time.Second, "reload", func() bool { return exists(path + ".reload") })
		if _, err := Signal(path, sig); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: program ended with %v", sig, err)
		}
		if got := read(t, path+".end"); got != end || exists(path) {
			t.Errorf("%v: %q, want %q; pidfile left: %v", sig, got, end, exists(path))
		}
		_ = os.Remove(path + ".reload")
	}
}

func TestSecondInterruptEndsAtOnce(t *testing.T) {
	ctx, s, release := Listen(t.Context())
	defer release()
	send := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	send()
	<-s.Stop
	if ctx.Err() != nil {
		t.Error("the first interrupt ended the context")
	}
	send()
	<-ctx.Done()
	if got := context.Cause(ctx).Error(); got != "ended by SIGINT" {
		t.Error(got)
	}
}

func TestDetach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	cmd := command(t, "detach", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if stderr.String() != "starting\n" {
		t.Errorf("stderr %q: want what was said before Ready and no more", stderr.String())
	}
	pid, err := Signal(path, syscall.SIGHUP)
	if err != nil || pid == cmd.Process.Pid {
		t.Fatalf("process %d, parent %d, %v", pid, cmd.Process.Pid, err)
	}
	if sid, err := syscall.Getpgid(pid); err != nil || sid != pid {
		t.Errorf("group %d of process %d: not its own session (%v)", sid, pid, err)
	}
	pgtest.Eventually(t, 10*time.Second, "reload", func() bool { return exists(path + ".reload") })
	for fd, want := range map[int]string{0: os.DevNull, 1: os.DevNull, 2: os.DevNull} {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err == nil && got != want {
			t.Errorf("descriptor %d is %s", fd, got)
		}
	}
	if _, err := Signal(path, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 10*time.Second, "end", func() bool { return exists(path+".end") && !exists(path) })
}

func TestDetachReportsFailure(t *testing.T) {
	for mode, want := range map[string]struct {
		status int
		stderr string
	}{
		"detach early": {3, "starting\nprogram: error: no such database\n"},
		"detach die":   {3, "starting\nprogram: error: daemon ended before it was ready: signal: killed\n"},
		"detach hang":  {3, "program: error: context deadline exceeded\n"}, // with what was said in 300 ms
	} {
		path := filepath.Join(t.TempDir(), "x.pid")
		cmd := command(t, mode, path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want.status || !strings.HasSuffix(stderr.String(), want.stderr) {
			t.Errorf("%s: %v, stderr %q; want status %d, %q", mode, err, stderr.String(), want.status, want.stderr)
		}
		pgtest.Eventually(t, 10*time.Second, mode+": child gone", func() bool {
			_, err := Signal(path, syscall.Signal(0))
			return errors.Is(err, ErrStale) || errors.Is(err, ErrNotRunning)
		})
	}
}

// The variable alone does not make a process a detached one.
func TestForgedDetachedVariable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	t.Setenv(detachedEnv, "1")
	cmd := start(t, "run", path)
	if _, err := Signal(path, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSystemdIsTold(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", address)
	for want, tell := range map[string]func() error{
		fmt.Sprintf("MAINPID=%d\nREADY=1", os.Getpid()): Ready,
		"STOPPING=1": Stopping,
	} {
		if err := tell(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 200)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q (%v), want %q", buf[:n], err, want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Stopping(); err != nil {
		t.Errorf("without systemd: %v", err)
	}
}
