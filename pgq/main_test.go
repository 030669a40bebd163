package pgq

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(tickerEnv); dsn != "" {
		tickerProcess(dsn)
		return
	}
	pgtest.Main(m)
}

const queue = "q.one"

// install is the set-up of most tests: our schema, one queue.
func install(ctx context.Context, conn *pgx.Conn) error {
	if _, err := schema.Install(ctx, conn, schema.Options{}); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `select pgq.create_queue($1)`, queue)
	return err
}

// database is a fresh database with our schema and one queue.
func database(t testing.TB) (dsn string) {
	t.Helper()
	return pgtest.Database(t, pgtest.Server(t), install)
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// write puts n events into the queue, in the connection's transaction.
func write(t testing.TB, conn *pgx.Conn, n int) {
	t.Helper()
	exec(t, conn, `select pgq.insert_event($1, 'type', 'data ' || i) from generate_series(1, $2::int) i`, queue, n)
}

// makeTick makes a tick whether one is due or not.
func makeTick(t testing.TB, conn *pgx.Conn) Tick {
	t.Helper()
	exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue where queue_name = $1`, queue)
	return last(t, conn)
}

func last(t testing.TB, conn *pgx.Conn) Tick {
	t.Helper()
	tick, err := NewReader(conn, queue).Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

// read returns a batch's event ids and data, in the order of the stream.
func read(t testing.TB, r *Reader, prev, cur Tick) (ids []EventID, data []string) {
	t.Helper()
	err := r.Stream(t.Context(), prev, cur, func(ev *RawEvent) error {
		ids = append(ids, ev.ID)
		data = append(data, string(ev.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, data
}

func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

// journal is a log that a test reads.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.buf.String(), text)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func config(t testing.TB, dsn string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a daemon until the test ends and fails the test if it fails.
func start(t testing.TB, what string, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s does not end", what)
		}
	})
}

func startTicker(t testing.TB, dsn string) *journal {
	t.Helper()
	j := &journal{}
	ticker := &Ticker{Database: config(t, dsn), Log: j.logger()}
	start(t, "ticker", ticker.Run)
	return j
}

func tag(parts ...any) string { return strings.TrimSpace(fmt.Sprintln(parts...)) }
