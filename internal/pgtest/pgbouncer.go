package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pgbouncer starts one in front of a database, in transaction mode, with six
// sessions for all its clients, and returns the DSN that leads through it. Settings
// are lines of its ini file, and outdo these.
func Pgbouncer(t *testing.T, dsn string, settings ...string) string {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // Debian's folder for it, which users do not have
	program := RequireTool(t, "pgbouncer", "apt-get install pgbouncer")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	cfg := Config(t, dsn)
	ini := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n%s = host=%s port=%d user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 6\nquery_wait_timeout = 10\nserver_login_retry = 1\n%s\n",
		cfg.Database, cfg.Host, cfg.Port, cfg.User, port, strings.Join(settings, "\n"))
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{ini}
	if os.Geteuid() == 0 { // which it refuses to run as
		args = []string{"-u", "nobody", ini}
	}
	said := &Journal{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = said, said
	openFolders(t, filepath.Dir(ini))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the only error is that it has ended
		_ = cmd.Wait()         // how does not matter
		if t.Failed() {
			t.Logf("pgbouncer said:\n%s", said.String())
		}
	})
	through := fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=%s sslmode=disable", port, cfg.Database, cfg.User)
	Eventually(t, 10*time.Second, "pgbouncer answers", func() bool {
		conn, err := pgx.Connect(t.Context(), through)
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err == nil
	})
	return through
}

// openFolders lets another user read what is in a folder of the test.
func openFolders(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
