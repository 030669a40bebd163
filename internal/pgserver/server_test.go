package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain is also the child of TestKilledProcess: the process that starts a
// server and is killed.
func TestMain(m *testing.M) {
	if os.Getenv("PGSERVER_TEST_CHILD") == "" {
		code := m.Run()
		if err := RemoveAll(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(s.PID(), s.dir)
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed
}

func newTestServer(t *testing.T, opt Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(t *testing.T, dsn, sql string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var v string
	if err := conn.QueryRow(ctx, sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestStopsAndStarts(t *testing.T) {
	s := newTestServer(t, Options{Conf: map[string]string{"work_mem": "5MB", "application_name": "it's"}})
	dsn := s.DSN("postgres", Superuser)
	if got := ask(t, dsn, "select current_setting('work_mem') || current_setting('fsync') || current_setting('max_connections')"); got != "5MBoff200" {
		t.Errorf("settings are %s", got)
	}
	if got := ask(t, dsn, "select datcollate || pg_encoding_to_char(encoding) from pg_database where datname = 'template1'"); got != "C.UTF-8UTF8" {
		t.Errorf("locale and encoding are %s", got)
	}
	socket := fmt.Sprintf("host=%s port=%d dbname=postgres user=postgres", s.SocketDir(), s.Port())
	if got := ask(t, socket, "select coalesce(inet_server_addr()::text, 'socket')"); got != "socket" {
		t.Errorf("connected by %s", got)
	}
	port := s.Port()
	for _, mode := range []string{"fast", "immediate", "kill"} {
		if err := s.Stop(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		if pid := s.PID(); pid != 0 {
			t.Errorf("stopped (%s), but PID is %d", mode, pid)
		}
		if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			t.Errorf("stopped (%s), but somebody listens", mode)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, dsn, "select current_setting('port')"); got != fmt.Sprint(port) {
			t.Errorf("port was %d, now %s", port, got)
		}
	}
	if err := s.Stop(t.Context(), "politely"); err == nil {
		t.Error("an unknown way to stop is no error")
	}
}

func TestPasswords(t *testing.T) {
	s := newTestServer(t, Options{
		HBA:  []string{"host all strict 127.0.0.1/32 scram-sha-256"},
		Conf: map[string]string{"password_encryption": "scram-sha-256"},
	})
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, s.DSN("postgres", Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create role strict login password 'right'"); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(ctx, s.DSN("postgres", "strict")+" password=wrong"); err == nil {
		t.Error("a wrong password was accepted")
	}
	ask(t, s.DSN("postgres", "strict")+" password=right", "select 'in'")
}

func TestTwoAtOnce(t *testing.T) {
	a, b := newTestServer(t, Options{}), newTestServer(t, Options{})
	const sql = "select system_identifier::text from pg_control_system()"
	if x, y := ask(t, a.DSN("postgres", Superuser), sql), ask(t, b.DSN("postgres", Superuser), sql); x == y {
		t.Errorf("two clusters have the system identifier %s", x)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	s := newTestServer(t, Options{})
	pid := s.PID()
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder stays: %v", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process stays: %v", err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a removed server started")
	}
}

// TestKilledProcess kills a process that runs a server: the server must end,
// and the next process must remove its folder.
func TestKilledProcess(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "PGSERVER_TEST_CHILD=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
		t.Fatalf("the child says %q", line)
	}
	acc, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Dir(filepath.Dir(dir))
	sweepLocked(t, acc)
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("the folder of a living process was swept: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for processesIn(filepath.Join(dir, "data")) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the server (pid %d) outlives its process", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
	sweepLocked(t, acc)
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a killed process stays in %s: %v", base, err)
	}
}

func sweepLocked(t *testing.T, acc account) {
	t.Helper()
	base, gate, err := lockBase(acc)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	sweep(base)
}

// TestUnreachableFolder puts a server below a folder that only its owner may
// enter, which for root is another user than the server's.
func TestUnreachableFolder(t *testing.T) {
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, Options{Dir: filepath.Join(private, "sub", "server")})
	if got := ask(t, s.DSN("postgres", Superuser), "select current_setting('data_directory')"); got != s.DataDir() {
		t.Errorf("the data are in %s, want %s", got, s.DataDir())
	}
}

func TestLongFolderHasNoSocket(t *testing.T) {
	s := newTestServer(t, Options{Dir: filepath.Join(t.TempDir(), strings.Repeat("long", 30))})
	if s.SocketDir() != "" {
		t.Errorf("socket folder %s is too long a name", s.SocketDir())
	}
	ask(t, s.DSN("postgres", Superuser), "select 'in'")
}

func TestFailedStartIsExplained(t *testing.T) {
	_, err := Start(t.Context(), Options{Conf: map[string]string{"work_mem": "much"}})
	if err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("a wrong setting gives %v", err)
	}
}

func TestFind(t *testing.T) {
	want, err := Find(t.Context(), FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want.Major < 13 {
		t.Errorf("found version %d in %s", want.Major, want.Dir)
	}
	t.Setenv(EnvBin, "/nonexistent"+string(filepath.ListSeparator)+want.Dir)
	got, err := Find(t.Context(), FindOptions{Major: want.Major})
	if err != nil || got.Source != EnvBin || got.Dir != want.Dir {
		t.Errorf("by the environment: %+v, %v", got, err)
	}
	if _, err := Find(t.Context(), FindOptions{Major: 9}); err == nil || !strings.Contains(err.Error(), "not 9") {
		t.Errorf("a version that is not there: %v", err)
	}
	t.Setenv(EnvMajor, "9")
	if _, err := Find(t.Context(), FindOptions{}); err == nil || !strings.Contains(err.Error(), "not 9") {
		t.Errorf("a version of the environment that is not there: %v", err)
	}
	if got, err := Find(t.Context(), FindOptions{Major: want.Major}); err != nil || got.Dir != want.Dir {
		t.Errorf("the caller's version against the environment's: %+v, %v", got, err)
	}
	t.Setenv(EnvMajor, "")
	t.Setenv(EnvUnpack, "")
	t.Setenv(EnvBin, "/nonexistent")
	if _, err := Find(t.Context(), FindOptions{}); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("a wrong folder in the environment is passed over: %v", err)
	}
	if _, err := Find(t.Context(), FindOptions{SkipInstalled: true}); err == nil {
		t.Error("found a server although all installed ones are to be skipped")
	}
}
