package pgq

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

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

// write puts n events into the queue, in the connection's transaction.
func write(t testing.TB, conn *pgx.Conn, n int) {
	t.Helper()
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 'type', 'data ' || i) from generate_series(1, $2::int) i`, queue, n)
}

// makeTick makes a tick whether one is due or not.
func makeTick(t testing.TB, conn *pgx.Conn) Tick {
	t.Helper()
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue where queue_name = $1`, queue)
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

// RunTicker runs a ticker of the database: the half of these tests that stands
// outside of the package sets it, for the ticker stands above the package.
var RunTicker func(ctx context.Context, db *pgx.ConnConfig) error

func startTicker(t testing.TB, dsn string) {
	t.Helper()
	db := pgtest.Config(t, dsn)
	pgtest.Start(t, "ticker", func(ctx context.Context) error { return RunTicker(ctx, db) })
}

func tag(parts ...any) string { return strings.TrimSpace(fmt.Sprintln(parts...)) }
