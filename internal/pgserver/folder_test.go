package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A pid file that was left behind may name anybody's process by now.
func TestStopStraysBelievesNoPidAlone(t *testing.T) {
	for _, c := range []struct {
		what    string
		stopped bool
	}{{"a stranger", false}, {"the server", true}} {
		dir := t.TempDir()
		data := filepath.Join(dir, "provider", "data")
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sleep", "60")
		cmd.Dir = os.TempDir()
		if c.stopped {
			cmd.Dir = data
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait() // how it ended does not matter
		}()
		pid := fmt.Sprintf("%d\n", cmd.Process.Pid)
		if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(pid), 0o600); err != nil {
			t.Fatal(err)
		}
		StopStrays(dir)
		stopped := false
		select {
		case <-ended:
			stopped = true
		case <-time.After(200 * time.Millisecond):
		}
		if stopped != c.stopped {
			t.Errorf("%s: stopped %v, want %v", c.what, stopped, c.stopped)
		}
		_ = cmd.Process.Kill() // the only error is that it has ended
		<-ended
	}
}
