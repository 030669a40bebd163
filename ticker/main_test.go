package ticker

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
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

// write puts n events into the queue, in the connection's transaction.
func write(t testing.TB, conn *pgx.Conn, n int) {
	t.Helper()
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 'type', 'data ' || i) from generate_series(1, $2::int) i`, queue, n)
}

// makeTick makes a tick whether one is due or not.
func makeTick(t testing.TB, conn *pgx.Conn) pgq.Tick {
	t.Helper()
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue where queue_name = $1`, queue)
	return last(t, conn)
}

func last(t testing.TB, conn *pgx.Conn) pgq.Tick {
	t.Helper()
	tick, err := pgq.NewReader(conn, queue).Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tick
}

func startTicker(t testing.TB, dsn string) *pgtest.Journal {
	t.Helper()
	j := &pgtest.Journal{}
	ticker := &Ticker{Database: pgtest.Config(t, dsn), Log: j.Logger()}
	pgtest.Start(t, "ticker", ticker.Run)
	return j
}
