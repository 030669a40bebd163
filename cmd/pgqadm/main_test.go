package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

var update = flag.Bool("update", false, "write the outputs that the scripts compare with")

// suite is the run of the tests, with the servers it started removed.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := pgserver.RemoveAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"pgqadm": main, "pgqd": main})
}

// TestScripts runs the stories of testdata/script, each with a database of its
// own: $DB is its connection string, $INI the text of an ini file for it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			server := pgtest.Server(t)
			if strings.HasPrefix(filepath.Base(file), "readme.") { // doctor minds that the others' is not safe from crashes
				server = pgtest.Own(t, pgserver.Options{Fsync: true})
			}
			db := pgtest.Database(t, server, nil)
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				UpdateScripts:       *update,
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					ini := "[pgqadm]\njob_name = ticker\ndb = " + strings.ReplaceAll(db, "%", "%%") +
						"\npidfile = %(job_name)s.pid\nlogfile = %(job_name)s.log\n"
					env.Setenv("DB", db)
					env.Values[receiverKey{}] = &receiver{}
					env.Setenv("DBNAME", pgtest.DBName(t, db))
					env.Defer(func() { stop(t, env.WorkDir) })
					return os.WriteFile(filepath.Join(env.WorkDir, "ticker.ini"), []byte(ini), 0o644)
				},
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"scrub": scrub, "status": status, "waitfor": waitfor, "sql": sql, "until": until, "webserver": webserver,
					"database": func(ts *testscript.TestScript, neg bool, args []string) { database(t, ts, neg, args) },
				},
			})
		})
	}
}

// stop ends a daemon that a script has left running, so that the database can
// be dropped.
func stop(t *testing.T, dir string) {
	for _, job := range []string{"ticker", "second"} {
		if _, err := os.Stat(filepath.Join(dir, job+".pid")); err == nil {
			run(context.Background(), []string{"pgqadm", filepath.Join(dir, job+".ini"), "-k"}, nil, os.Stderr, os.Stderr)
		}
	}
}

var (
	ages    = regexp.MustCompile(`( +\d+(\.\d)?s)+$`)
	numbers = regexp.MustCompile(`"(ticker_lag|lag|last_seen|ev_per_sec|queue_size)": [0-9.e-]+|"(queue_switch_time)": "[^"]+"`)
	oldest  = regexp.MustCompile(`"oldest_transaction": (null|\{[^}]*\})`) // whatever runs on the server
	server  = regexp.MustCompile(`(Postgres version: |"postgres_version": ")[0-9.]+`)
)

// scrub writes the last output to a file, with ages, versions and the
// database's name made equal: scrub stdout|stderr FILE.
func scrub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scrub stdout|stderr FILE")
	}
	var lines []string
	text := oldest.ReplaceAllString(ts.ReadFile(args[0]), `"oldest_transaction": ANY`)
	for line := range strings.SplitSeq(text, "\n") {
		line = ages.ReplaceAllString(line, " AGE")
		line = numbers.ReplaceAllString(line, `"$1$2": NUMBER`)
		line = server.ReplaceAllString(line, "${1}SERVER")
		line = strings.ReplaceAll(line, ts.Getenv("DBNAME"), "DATABASE")
		lines = append(lines, line)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "\n")), 0o644))
}

// status runs a program that must end with that exit status: status 1 pgqadm …
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status NUMBER PROGRAM ARGS")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// waitfor waits until a file contains a text: waitfor FILE TEXT.
func waitfor(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if len(args) == 1 { // is there, or with ! is gone
			if (err == nil) != neg {
				return
			}
			continue
		}
		if err == nil && strings.Contains(string(text), args[1]) != neg {
			return
		}
	}
	ts.Fatalf("waited in vain for %q", args)
}

// sql runs a statement in the script's database, or in another, and writes the
// rows' values to sql.txt: sql [DATABASE] STATEMENT. A transaction that begins
// with it stays open until the script's end.
func sql(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db := ts.Getenv("DB")
	if len(args) == 2 {
		db = strings.ReplaceAll(db, ts.Getenv("DBNAME"), args[0])
		args = args[1:]
	}
	conn, err := pgx.Connect(ctx, db)
	ts.Check(err)
	if begun, ok := strings.CutPrefix(args[0], "begin;"); ok {
		ts.Defer(func() { closeConn(conn) })
		_, err = conn.Exec(ctx, "begin")
		ts.Check(err)
		args[0] = begun
	} else {
		defer closeConn(conn)
	}
	rows, err := conn.Query(ctx, args[0])
	ts.Check(err)
	var out strings.Builder
	for rows.Next() {
		values, err := rows.Values()
		ts.Check(err)
		fmt.Fprintln(&out, values...)
	}
	ts.Check(rows.Err())
	ts.Check(os.WriteFile(ts.MkAbs("sql.txt"), []byte(out.String()), 0o644))
}

// until runs a query every 50 ms until it returns true, for 20 s at most, which a
// loaded machine may need: until [DATABASE] QUERY.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: until [DATABASE] QUERY")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		sql(ts, false, slices.Clone(args))
		if text, err := os.ReadFile(ts.MkAbs("sql.txt")); err == nil && string(text) == "true\n" {
			return
		}
	}
	ts.Fatalf("waited in vain until %q", args)
}

// receiverKey finds a script's receiver.
type receiverKey struct{}

// receiver is a web server that does with what it gets as a script wants, and
// writes down what it took or refused.
type receiver struct {
	mu   sync.Mutex
	mode string
	file *os.File
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	var event struct {
		Data  string `json:"ev_data"`
		Retry int    `json:"ev_retry"`
	}
	_ = json.Unmarshal(body, &event) // an array is none
	switch {
	case err != nil || r.mode == "down":
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	case r.mode == "up" && event.Data == "second":
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, "no second")
	}
	fmt.Fprintf(r.file, "retry %d %s %s %s %s\n", event.Retry, req.Header.Get("Idempotency-Key"), req.Header.Get("Authorization"),
		req.Header.Get("Content-Type"), body)
}

// webserver makes the server of $URL down, up (but for events with the data
// `second`) or obliging; what it gets is in requests.txt: webserver MODE.
func webserver(ts *testscript.TestScript, neg bool, args []string) {
	r, _ := ts.Value(receiverKey{}).(*receiver)
	if neg || len(args) != 1 || r == nil {
		ts.Fatalf("usage: webserver down|up|obliging")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = args[0]
	if r.file != nil {
		return
	}
	var err error
	r.file, err = os.Create(ts.MkAbs("requests.txt"))
	ts.Check(err)
	server := httptest.NewServer(r)
	ts.Setenv("URL", server.URL)
	ts.Defer(server.Close)
}

// database makes an empty database of the role that scripts run as, to be
// dropped at the test's end, or with ! drops it: database NAME.
func database(t *testing.T, ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, pgtest.Server(t).DSN("postgres", pgserver.Superuser))
	ts.Check(err)
	defer closeConn(conn)
	drop := "drop database if exists " + args[0] + " with (force)"
	if neg {
		_, err = conn.Exec(ctx, drop)
		ts.Check(err)
		return
	}
	_, err = conn.Exec(ctx, "create database "+args[0]+" owner "+pgtest.Role)
	ts.Check(err)
	t.Cleanup(func() {
		if _, err := pgtest.Admin(t, pgtest.Server(t), "postgres").Exec(context.Background(), drop); err != nil {
			t.Error(err)
		}
	})
}

func TestCommandTree(t *testing.T) {
	for _, name := range []string{"pgqadm", "pgqd"} {
		if err := newProgram(name).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
