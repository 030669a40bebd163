package interop

import (
	"fmt"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

// produced are the data of the events that produce.py writes.
func produced(name string, count int) (data []string) {
	for i := range count {
		if i%2 == 1 {
			data = append(data, fmt.Sprintf("%s-%d", name, i))
			continue
		}
		for n := range 3 {
			data = append(data, fmt.Sprintf("%s-%d-%d", name, i, n))
		}
	}
	return data
}

func python(t *testing.T) string {
	return pgtest.RequireModule(t, "pgq", "apt install python3-pgq python3-psycopg2")
}

func produce(t *testing.T, dsn, name string, count int) {
	t.Helper()
	out, err := osexec.Command(python(t), "testdata/produce.py", dsn, queue, name, fmt.Sprint(count)).CombinedOutput()
	if err != nil {
		t.Fatalf("produce.py: %v\n%s", err, out)
	}
}

// consumer is a Python consumer under way.
type consumer struct {
	t     *testing.T
	lines string
	cmd   *osexec.Cmd
	log   string
	done  chan error
}

func consume(t *testing.T, dsn string) *consumer {
	t.Helper()
	dir := t.TempDir()
	c := &consumer{t: t, lines: filepath.Join(dir, "lines"), log: filepath.Join(dir, "log"), done: make(chan error, 1)}
	ini := fmt.Sprintf("[consume]\njob_name = py\ndb = %s\nqueue_name = %s\nlines = %s\nloop_delay = 0.1\nlogfile = %s\nuse_skylog = 0\n",
		dsn, queue, c.lines, c.log)
	if err := os.WriteFile(filepath.Join(dir, "consume.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"testdata/consume.py", "-q", filepath.Join(dir, "consume.ini")}
	if out, err := osexec.Command(python(t), append(args, "--register")...).CombinedOutput(); err != nil {
		t.Fatalf("consume.py --register: %v\n%s", err, out)
	}
	c.cmd = osexec.Command(python(t), args...)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	t.Cleanup(c.stop)
	return c
}

// stop ends the consumer after its batch, as -s does.
func (c *consumer) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		c.t.Error("the Python consumer does not end")
		_ = c.cmd.Process.Kill()
	}
	c.cmd = nil
	if c.t.Failed() {
		text, _ := os.ReadFile(c.log)
		c.t.Logf("the consumer's log:\n%s", text)
	}
}

func (c *consumer) read() []string {
	text, err := os.ReadFile(c.lines)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// wantAll waits for the events, each once.
func (c *consumer) wantAll(data []string) {
	c.t.Helper()
	pgtest.Eventually(c.t, 40*time.Second, fmt.Sprintf("%d events read by Python", len(data)), func() bool { return len(c.read()) >= len(data) })
	time.Sleep(300 * time.Millisecond)
	want(c.t, "read by Python", c.read(), slices.Clone(data)...)
}

// traffic has Python produce and consume while the queue rotates each second,
// and wants each event to be read once.
func traffic(t *testing.T, dsn string) {
	t.Helper()
	conn := pgtest.Connect(t, dsn)
	c := consume(t, dsn)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '1 second', queue_ticker_max_lag = '0'`)
	began := pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`)
	var data []string
	for _, name := range []string{"a", "b", "c"} {
		produce(t, dsn, name, 40)
		data = append(data, produced(name, 40)...)
		time.Sleep(1200 * time.Millisecond)
	}
	c.wantAll(data)
	pgtest.Eventually(t, 10*time.Second, "a rotation", func() bool {
		return pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`) != began
	})
}

// served starts our ticker and maintenance.
func served(t *testing.T, dsn string) {
	t.Helper()
	startTicker(t, dsn)
	run(t, "maintenance", (&ticker.Maintainer{Database: pgtest.Config(t, dsn), Log: logger(t), Delay: 500 * time.Millisecond}).Run)
}

// TestPython: upstream's producers and consumers on our schema.
func TestPython(t *testing.T) {
	dsn, _ := ours(t)
	served(t, dsn)
	traffic(t, dsn)
}

// TestPythonOnExtension: the same on the extension, under our ticker.
func TestPythonOnExtension(t *testing.T) {
	dsn, _ := beside(t)
	served(t, dsn)
	traffic(t, dsn)
}

// pgqd starts upstream's daemon for one database.
func pgqd(t *testing.T, dsn string) {
	t.Helper()
	path := pgtest.RequireTool(t, "pgqd", "apt install pgqd")
	cfg := pgtest.Config(t, dsn)
	dir := t.TempDir()
	ini := fmt.Sprintf("[pgqd]\nbase_connstr = host=%s port=%d user=%s\ninitial_database = %s\ndatabase_list = %[4]s\n"+
		"syslog = 0\nlogfile = %[5]s/log\npidfile = %[5]s/pid\ncheck_period = 1\nticker_period = 0.2\nmaint_period = 1\nretry_period = 1\n",
		cfg.Host, cfg.Port, cfg.User, cfg.Database, dir)
	if err := os.WriteFile(filepath.Join(dir, "pgqd.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command(path, "-q", filepath.Join(dir, "pgqd.ini"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("pgqd's log:\n%s", text)
		}
	})
}

// TestPgqd: upstream's daemon ticks, rotates and moves retries on our schema.
func TestPgqd(t *testing.T) {
	dsn, _ := ours(t)
	pgqd(t, dsn)
	traffic(t, dsn)
}

// TestPgqdBesideTicker: two tickers on the extension are told of.
func TestPgqdBesideTicker(t *testing.T) {
	dsn, conn := beside(t)
	pgqd(t, dsn)
	read := func() doctor.Status {
		t.Helper()
		status, err := doctor.ReadStatus(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	pgtest.Eventually(t, 10*time.Second, "pgqd is seen", func() bool { return len(read().OtherTickers) == 1 })
	var out strings.Builder
	if err := read().WriteText(&out); err != nil || !strings.Contains(out.String(), "\nTicker of another program: process ") {
		t.Errorf("status, %v:\n%s", err, &out)
	}
	var log strings.Builder
	stop := run(t, "ticker", (&ticker.Ticker{Database: pgtest.Config(t, dsn), Log: slog.New(slog.NewTextHandler(&log, nil))}).Run)
	pgtest.Eventually(t, 10*time.Second, "our ticker leads", func() bool { return len(read().Tickers) == 1 })
	out.Reset()
	if err := read().WriteText(&out); err != nil || !strings.Contains(out.String(), "ticks beside ours: stop it: two ticks at the same moment") {
		t.Errorf("status, %v:\n%s", err, &out)
	}
	findings, err := doctor.Examine(t.Context(), conn, schema.Number)
	if err != nil || !slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Check == "other tickers" && f.Result == doctor.Warning }) {
		t.Errorf("doctor: %v, %+v", err, findings)
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	if !strings.Contains(log.String(), "ticks beside this ticker") {
		t.Errorf("the log:\n%s", &log)
	}
}
