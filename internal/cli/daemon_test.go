package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test program is the sample program too: a daemon starts itself again.
func TestMain(m *testing.M) {
	if os.Getenv("BE_LONDISTE") != "" {
		os.Exit(sample().Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func londiste(t *testing.T, env string, args ...string) result {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), "BE_LONDISTE=1", env)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func awaitLog(t *testing.T, path, want string) {
	t.Helper()
	var data []byte
	for range 1000 {
		if data, _ = os.ReadFile(path); strings.Contains(string(data), want) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%q is not in the log:\n%s", want, data)
}

const job = "[londiste]\njob_name = j\npidfile = DIR/%(job_name)s.pid\nlogfile = DIR/%(job_name)s.log\n"

func TestDaemonLife(t *testing.T) {
	path, dir := ini(t, job)
	log, pidfile := filepath.Join(dir, "j.log"), filepath.Join(dir, "j.pid")
	for _, flag := range []string{"-s", "-k", "-r"} {
		want := "londiste: error: No pidfile, process not running (" + pidfile + ")\n"
		if got := londiste(t, "", path, flag); got != (result{1, "", want}) {
			t.Errorf("%s without a process: %s", flag, got)
		}
	}
	for flag, end := range map[string]string{"-s": "INFO ended by SIGINT", "-k": "INFO ended by SIGTERM"} {
		if got := londiste(t, "", path, "replay", "-d"); got != (result{0, "", ""}) {
			t.Fatalf("start: %s", got)
		}
		pid, err := os.ReadFile(pidfile)
		if err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSpace(string(pid))
		awaitLog(t, log, id+" INFO up")
		want := fmt.Sprintf("londiste: error: Pidfile exists, another process running? (%s, process %s)\n"+
			"hint: -s stops it after its current work, -k at once\n", pidfile, id)
		if got := londiste(t, "", path, "replay", "-d"); got != (result{1, "", want}) {
			t.Errorf("second daemon: %s", got)
		}
		if data, _ := os.ReadFile(log); strings.Contains(string(data), "crashed") || !strings.Contains(string(data), "ERROR Pidfile exists") {
			t.Errorf("a second daemon that was refused is no crash of the first:\n%s", data)
		}
		if err := os.Rename(log, log+".moved"); err != nil {
			t.Fatal(err)
		}
		if got := londiste(t, "", path, "-r"); got != (result{0, "process " + id + " got SIGHUP: it reloads\n", ""}) {
			t.Errorf("reload: %s", got)
		}
		awaitLog(t, log, id+" INFO reloaded")
		if got := londiste(t, "", path, "replay", flag); got.status != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, "process "+id+" got SIG") {
			t.Errorf("%s: %s", flag, got)
		}
		awaitLog(t, log, id+" "+end)
		for range 1000 {
			if _, err = os.Stat(pidfile); err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err == nil {
			t.Errorf("%s: the pidfile is left", flag)
		}
	}
}

func TestDaemonThatCannotStart(t *testing.T) {
	path, dir := ini(t, job)
	want := result{1, "", "londiste: error: no such database\nhint: create it\n"}
	for _, args := range [][]string{{path, "replay", "-d"}, {path, "replay"}} {
		if got := londiste(t, "FAIL=1", args...); got != want {
			t.Errorf("%q: %s", args, got)
		}
	}
	awaitLog(t, filepath.Join(dir, "j.log"), "FATAL Job j crashed: no such database\n")
	if _, err := os.Stat(filepath.Join(dir, "j.pid")); err == nil {
		t.Error("the pidfile is left")
	}
	path, _ = ini(t, "[londiste]\n")
	if got := londiste(t, "", path, "replay", "-d"); got != (result{1, "", "londiste: error: Daemon needs pidfile\nhint: set pidfile in section [londiste] of " + path + "\n"}) {
		t.Errorf("without pidfile: %s", got)
	}
	if got := londiste(t, "", path, "-s"); got != (result{1, "", "londiste: error: No pidfile in config, nothing todo\n"}) {
		t.Errorf("-s without pidfile: %s", got)
	}
}
