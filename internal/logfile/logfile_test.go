package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLineIsSkytools(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, slog.LevelDebug))
	log.Info("Adding public.entry")
	want := regexp.MustCompile(fmt.Sprintf(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} %d INFO Adding public\.entry\n$`, os.Getpid()))
	if !want.MatchString(b.String()) {
		t.Errorf("line %q", b.String())
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05,000", b.String()[:23], time.Local)
	if since := time.Since(at); err != nil || since < 0 || since > time.Minute {
		t.Errorf("time %v is %v ago (%v)", at, since, err)
	}
}

func TestConsoleLines(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewConsole(&b, slog.LevelDebug))
	log.Debug("d")
	log.Warn("slow batch", "tick", 17, "took", 3200*time.Millisecond, "why", "two words", "empty", "")
	log.Error("failed", "error", errors.New("a=b"))
	log.Log(t.Context(), LevelFatal, "Job x crashed: boom")
	log.With("job", "j").WithGroup("copy").Info("done", "table", "public.a", slog.Group("n", "rows", 3))
	log.Info("two\nlines\n2026-11-22 11:30:03,123 1 INFO forged\r\x1b[1m")
	log.Info("db is postgres://u:s3cret@h/d", "conn", "host=h password='s3 cret'")
	want := `DEBUG d
WARNING slow batch tick=17 took=3.2s why="two words" empty=""
ERROR failed error="a=b"
FATAL Job x crashed: boom
INFO done job=j copy.table=public.a copy.n.rows=3
INFO two
	lines
	2026-11-22 11:30:03,123 1 INFO forged\r\x1b[1m
INFO db is postgres://u:xxxxx@h/d conn="host=h password=xxxxx"
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		quiet, verbose bool
		want           string
	}{{false, false, "IWE"}, {true, false, "WE"}, {false, true, "DIWE"}, {true, true, "DIWE"}} {
		var b bytes.Buffer
		log := slog.New(NewConsole(&b, Level(c.quiet, c.verbose)))
		log.Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		got := ""
		for line := range strings.Lines(b.String()) {
			got += line[:1]
		}
		if got != c.want {
			t.Errorf("quiet %v, verbose %v: %s, want %s", c.quiet, c.verbose, got, c.want)
		}
	}
}

// The standard library's own conformance suite for handlers.
func TestHandlerConforms(t *testing.T) {
	var b bytes.Buffer
	results := func() []map[string]any {
		var all []map[string]any
		for line := range strings.Lines(b.String()) {
			all = append(all, parseLine(t, line))
		}
		return all
	}
	if err := slogtest.TestHandler(NewHandler(&b, slog.LevelDebug), results); err != nil {
		// A record without a time gets the present one: a log line must
		// begin with a time. Everything else holds.
		for e := range strings.SplitSeq(err.Error(), "\n") {
			if e != "" && !strings.Contains(e, `unexpected key "time"`) && !strings.Contains(e, "ignore a zero Record.Time") {
				t.Error(e)
			}
		}
	}
}

func parseLine(t *testing.T, line string) map[string]any {
	m := regexp.MustCompile(`^(\S+ \S+) \d+ (\w+) (\S+)(.*)\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("line %q", line)
	}
	out := map[string]any{slog.TimeKey: m[1], slog.LevelKey: m[2], slog.MessageKey: m[3]}
	for _, kv := range strings.Fields(m[4]) {
		key, value, _ := strings.Cut(kv, "=")
		at := out
		parts := strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = value
	}
	return out
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(f, l+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	f, err := OpenFile(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, "aaa", "bbb", "ccc", "a line longer than the limit", "ddd", "eee", "fff")
	want := map[string]string{
		"x.log":   "fff\n",
		"x.log.1": "ddd\neee\n",
		"x.log.2": "a line longer than the limit\n",
	}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// Another process rotates first: this one follows and does not rotate again.
	other, err := OpenFile(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	write(t, other, "ggg", "hhh")
	write(t, f, "iii")
	want = map[string]string{"x.log": "hhh\niii\n", "x.log.1": "fff\nggg\n", "x.log.2": "ddd\neee\n"}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("two writers (-want +got)\n%s", diff)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("late\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestNoRotationWithoutSizeOrCount(t *testing.T) {
	for _, c := range [][2]int{{0, 3}, {10, 0}} {
		dir := t.TempDir()
		f, err := OpenFile(filepath.Join(dir, "x.log"), int64(c[0]), c[1])
		if err != nil {
			t.Fatal(err)
		}
		write(t, f, "aaaaaaaa", "bbbbbbbb")
		if got := contents(t, dir); len(got) != 1 || got["x.log"] != "aaaaaaaa\nbbbbbbbb\n" {
			t.Errorf("size %d, count %d: %v", c[0], c[1], got)
		}
	}
}

func TestRotationThatFailsKeepsTheLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	f, err := OpenFile(path, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	// A directory that is not empty cannot be renamed over.
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, f, "aaaaaa")
	if _, err := io.WriteString(f, "bbbbbb\n"); err == nil {
		t.Error("the failed rotation was not told")
	}
	if data, _ := os.ReadFile(path); string(data) != "aaaaaa\nbbbbbb\n" {
		t.Errorf("file %q", data)
	}
}

func TestReopenFollowsThePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	var console bytes.Buffer
	l, err := Open(Options{Path: path, Size: DefaultSize, Count: DefaultCount, Console: &console, Level: slog.LevelInfo})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("one")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	l.Info("two")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Info("three")
	l.Aside.Info("four")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := contents(t, dir)
	if !strings.HasSuffix(got["x.log"], "INFO four\n") || strings.Count(got["x.log"], "\n") != 2 {
		t.Errorf("new file %q", got["x.log"])
	}
	if strings.Count(got["x.log.old"], "\n") != 2 {
		t.Errorf("old file %q", got["x.log.old"])
	}
	if console.String() != "INFO one\nINFO two\nINFO three\n" {
		t.Errorf("console %q", console.String())
	}
}

func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "x.log")
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name %s", err, path)
	}
}

func TestSyslogThatDoesNotAnswerIsNoError(t *testing.T) {
	var console bytes.Buffer
	l, err := Open(Options{Syslog: true, Ident: "skytools-test", Console: &console})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("one")
	if warned := strings.Contains(console.String(), "WARNING use_skylog"); warned != (l.sys == nil) {
		t.Errorf("syslog open: %v, console %q", l.sys != nil, console.String())
	}
	if !strings.HasSuffix(console.String(), "INFO one\n") {
		t.Errorf("console %q", console.String())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
