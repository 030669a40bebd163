package interop

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const queue = "q.one"

// extended is a database in which a superuser has installed the extension and
// the ordinary role is a member of pgq_admin.
func extended(t testing.TB, s *pgserver.Server) (dsn string) {
	t.Helper()
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	dsn = pgtest.Database(t, s, nil)
	pgtest.Exec(t, pgtest.Admin(t, s, pgtest.DBName(t, dsn)), `create extension pgq; grant pgq_admin to `+pgtest.Role)
	return dsn
}

// beside is one with ours installed beside the extension, and a queue.
func beside(t testing.TB) (dsn string, conn *pgx.Conn) {
	t.Helper()
	dsn = extended(t, pgtest.Server(t))
	conn = pgtest.Connect(t, dsn)
	install(t, conn)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	return dsn, conn
}

// ours is a database with our schema alone, and a queue.
func ours(t testing.TB) (dsn string, conn *pgx.Conn) {
	t.Helper()
	dsn = pgtest.Database(t, pgtest.Server(t), nil)
	conn = pgtest.Connect(t, dsn)
	install(t, conn)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	return dsn, conn
}

func install(t testing.TB, conn *pgx.Conn) schema.Report {
	t.Helper()
	report, err := schema.Install(t.Context(), conn, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// run runs a daemon until the test ends, or stop is called, and fails the test
// if it fails.
func run(t testing.TB, what string, work func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end", what)
		}
	}
	t.Cleanup(stop)
	return stop
}

func startTicker(t testing.TB, dsn string) (stop func()) {
	return run(t, "ticker", (&ticker.Ticker{Database: pgtest.Config(t, dsn), Log: logger(t)}).Run)
}

// logger shows a daemon's warnings.
func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

var discard = slog.New(slog.DiscardHandler)

func last(t testing.TB, conn *pgx.Conn) pgq.Tick {
	t.Helper()
	tick, err := pgq.NewReader(conn, queue).Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

// between reads the data of the events between two ticks, sorted.
func between(t testing.TB, conn *pgx.Conn, prev, cur pgq.Tick) (data []string) {
	t.Helper()
	err := pgq.NewReader(conn, queue).Stream(t.Context(), prev, cur, func(ev *pgq.RawEvent) error {
		data = append(data, string(ev.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(data)
	return data
}

func want(t testing.TB, what string, got []string, wanted ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: got %q, want %q", what, got, wanted)
	}
}

// maintain does one round of our maintenance, with a rotation due.
func maintain(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
	if err := ticker.Maintain(t.Context(), conn, discard); err != nil {
		t.Fatal(err)
	}
}

// tick makes a tick although none is due.
func tick(t testing.TB, conn *pgx.Conn) pgq.Tick {
	t.Helper()
	pgtest.Exec(t, conn, `select skytools.tick($1, (select max(tick_id) from pgq.tick join pgq.queue on queue_id = tick_queue where queue_name = $1))`, queue)
	return last(t, conn)
}

// same fails with the lines by which two fingerprints differ.
func same(t testing.TB, what, before, after string) {
	t.Helper()
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range old {
		if !slices.Contains(now, line) {
			t.Errorf("%s: gone: %s", what, line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			t.Errorf("%s: new: %s", what, line)
		}
	}
}

// ourOwn are lines of the catalogue about objects in schemas of ours.
var ourOwn = regexp.MustCompile(`skytools\.|^comment on \w+ pgq_(coop|ext|node)\.`)

// fingerprint is the part of the catalogue that holds the schemas' names.
func fingerprint(t testing.TB, dsn string, schemas ...string) string {
	t.Helper()
	var kept []string
	for line := range strings.SplitSeq(pgtest.CatalogFingerprint(t, dsn), "\n") {
		for _, name := range schemas {
			if !ourOwn.MatchString(line) && (strings.Contains(line, " "+name+".") || strings.Contains(line, "schema "+name+" ") || strings.Contains(line, "extension "+name+" ")) {
				kept = append(kept, line)
				break
			}
		}
	}
	return strings.Join(kept, "\n")
}
