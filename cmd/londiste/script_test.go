package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestTreeOfCommands(t *testing.T) {
	if err := newProgram().Check(); err != nil {
		t.Error(err)
	}
}

// programs builds both programs once and returns the folder they are in,
// under their own names and Skytools'.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "londiste-bin-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", dir+"/", "../pgqadm", ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, name := range []string{"londiste", "pgqadm"} {
		if err := os.Symlink(name, filepath.Join(dir, name+".py")); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// The stories of testdata/script. Beside testscript's own commands they have
//
//	databases [own|durable]       two servers' databases, shared or of this story alone, with fsync or without;
//	                              sets $PROVIDER_PORT …; and an empty third one at the subscriber's
//	expand FILE…                  replaces $NAME in a file
//	sql SIDE STATEMENT            runs it as the ordinary role; rows go to stdout; @FILE (or @stdout) holds statements
//	admin SIDE STATEMENT          the same as superuser
//	hold SIDE STATEMENT           runs it in a transaction that stays open until the story's end
//	until SIDE QUERY VALUE        waits for it
//	equal TABLE…                  compares tables on both sides
//	server SIDE stop|start        stops a server of this story hard, starts it again
//	server SIDE freeze|thaw       has it neither take a session nor refuse one
//	fingerprint save|same         catalogues of all three
//	exits N PROGRAM ARGS…         exec with that exit status
//	http SOCKET PATH STATUS TEXT… asks until the answer is that, each within a second
//	watched INI TEXT KEY          status --watch on a terminal, until the text is shown and q or ctrl-c pressed
//	logged TEXT                   waits for it in the replication's log
func TestScripts(t *testing.T) {
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Values[storyKey{}] = &story{work: env.WorkDir, t: env.T().(testing.TB)}
			env.Defer(func() { endDaemons(env.WorkDir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"databases":   storyCommand(databases),
			"expand":      storyCommand(expand),
			"sql":         storyCommand(sqlCommand),
			"admin":       storyCommand(adminCommand),
			"until":       storyCommand(until),
			"equal":       storyCommand(equal),
			"server":      storyCommand(serverCommand),
			"fingerprint": storyCommand(fingerprint),
			"exits":       storyCommand(exits),
			"logged":      storyCommand(logged),
			"hold":        storyCommand(hold),
			"http":        storyCommand(httpCommand),
			"watched":     storyCommand(watched),
		},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// endDaemons kills what a story left behind: the processes of its pidfiles.
func endDaemons(work string) {
	files, _ := filepath.Glob(filepath.Join(work, "*.pid"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

type storyKey struct{}

// story is one script's pair of databases.
type story struct {
	t           testing.TB
	work        string
	sides       map[string]*side
	fingerprint string
}

type side struct {
	server *pgserver.Server
	dsn    string // as the ordinary role
}

func storyCommand(do func(*testscript.TestScript, *story, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("! is not for this command")
		}
		do(ts, ts.Value(storyKey{}).(*story), args)
	}
}

func databases(ts *testscript.TestScript, s *story, args []string) {
	s.sides = map[string]*side{}
	for _, name := range []string{"provider", "subscriber"} {
		var server *pgserver.Server
		switch {
		case len(args) == 1:
			server = pgtest.Own(s.t, pgserver.Options{Fsync: args[0] == "durable"})
		case name == "provider":
			server = pgtest.Server(s.t)
		default:
			server = pgtest.Second(s.t)
		}
		dsn := pgtest.Database(s.t, server, nil)
		s.sides[name] = &side{server, dsn}
		upper := strings.ToUpper(name)
		ts.Setenv(upper+"_HOST", server.Host())
		ts.Setenv(upper+"_PORT", strconv.Itoa(server.Port()))
		ts.Setenv(upper+"_DB", pgtest.DBName(s.t, dsn))
	}
	third := pgtest.Database(s.t, s.sides["subscriber"].server, nil)
	s.sides["third"] = &side{s.sides["subscriber"].server, third}
	ts.Setenv("THIRD_DB", pgtest.DBName(s.t, third))
	ts.Setenv("DBUSER", pgtest.Role)
}

func expand(ts *testscript.TestScript, _ *story, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

func (s *story) side(ts *testscript.TestScript, name string) *side {
	d := s.sides[name]
	if d == nil {
		ts.Fatalf("%q is no side with a database", name)
	}
	return d
}

func sqlCommand(ts *testscript.TestScript, s *story, args []string) {
	d := s.side(ts, args[0])
	statement := args[1]
	if file, ok := strings.CutPrefix(statement, "@"); ok {
		statement = ts.ReadFile(file)
	}
	fmt.Fprint(ts.Stdout(), query(ts, d.dsn, statement))
}

func adminCommand(ts *testscript.TestScript, s *story, args []string) {
	d := s.side(ts, args[0])
	cfg, err := pgx.ParseConfig(d.dsn)
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), query(ts, d.server.DSN(cfg.Database, pgserver.Superuser), args[1]))
}

func hold(ts *testscript.TestScript, s *story, args []string) {
	conn, err := pgx.Connect(context.Background(), s.side(ts, args[0]).dsn)
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(context.Background(), "begin; "+args[1])
	ts.Check(err)
}

func query(ts *testscript.TestScript, dsn, sql string) string {
	text, err := tryQuery(dsn, sql)
	ts.Check(err)
	return text
}

// tryQuery runs statements; rows come back as lines of |-separated values.
func tryQuery(dsn, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var b strings.Builder
	for _, r := range results {
		for _, row := range r.Rows {
			var cells []string
			for _, v := range row {
				cells = append(cells, string(v))
			}
			fmt.Fprintln(&b, strings.Join(cells, "|"))
		}
	}
	return b.String(), err
}

func until(ts *testscript.TestScript, s *story, args []string) {
	d := s.side(ts, args[0])
	deadline := time.Now().Add(time.Minute)
	for {
		got, err := tryQuery(d.dsn, args[1])
		got = strings.TrimSpace(got)
		if err == nil && got == args[2] {
			return
		}
		if time.Now().After(deadline) {
			logs, _ := filepath.Glob(filepath.Join(s.work, "*.log"))
			for _, f := range logs {
				text, _ := os.ReadFile(f)
				ts.Logf("%s:\n%s", filepath.Base(f), text)
			}
			ts.Fatalf("%s is %q (%v), not %q", args[1], got, err, args[2])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func equal(ts *testscript.TestScript, s *story, args []string) {
	ctx := context.Background()
	prov, sub := pgtest.ConnectPinned(s.t, s.side(ts, "provider").dsn), pgtest.ConnectPinned(s.t, s.side(ts, "subscriber").dsn)
	for _, table := range args {
		diff, err := pgtest.DiffTable(ctx, prov, sub, table)
		ts.Check(err)
		if diff != "" {
			ts.Fatalf("table %s: %s", table, diff)
		}
	}
}

func serverCommand(ts *testscript.TestScript, s *story, args []string) {
	d := s.side(ts, args[0])
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch args[1] {
	case "stop":
		ts.Check(d.server.Stop(ctx, "immediate"))
	case "start":
		ts.Check(d.server.Restart(ctx))
	case "freeze":
		ts.Check(syscall.Kill(d.server.PID(), syscall.SIGSTOP))
	case "thaw":
		ts.Check(syscall.Kill(d.server.PID(), syscall.SIGCONT))
	default:
		ts.Fatalf("server: %s", args[1])
	}
}

func fingerprint(ts *testscript.TestScript, s *story, args []string) {
	now := ""
	for _, name := range []string{"provider", "subscriber", "third"} {
		now += pgtest.CatalogFingerprint(s.t, s.side(ts, name).dsn)
	}
	switch args[0] {
	case "save":
		s.fingerprint = now
	case "same":
		if now != s.fingerprint {
			ts.Fatalf("the catalogue of a database changed")
		}
	default:
		ts.Fatalf("fingerprint: %s", args[0])
	}
}

func exits(ts *testscript.TestScript, _ *story, args []string) {
	const script = `"$@"; rc=$?; [ "$rc" = "$0" ] || { echo "exit status $rc, want $0" >&2; exit 1; }`
	ts.Check(ts.Exec("sh", append([]string{"-c", script}, args...)...))
}

func logged(ts *testscript.TestScript, _ *story, args []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(ts.ReadFile("lmaster_to_slave.log"), args[0]) {
			return
		}
	}
	ts.Fatalf("%q is not in the log:\n%s", args[0], ts.ReadFile("lmaster_to_slave.log"))
}
