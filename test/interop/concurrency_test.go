package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// onBoth runs a test on our schema and on the extension.
func onBoth(t *testing.T, test func(t *testing.T, dsn string, conn *pgx.Conn)) {
	for name, database := range map[string]func(testing.TB) (string, *pgx.Conn){"ours": ours, "extension": beside} {
		t.Run(name, func(t *testing.T) {
			dsn, conn := database(t)
			pgtest.Exec(t, conn, `update pgq.queue set queue_ticker_max_lag = '0'`)
			test(t, dsn, conn)
		})
	}
}

// rounds of writing, ticking and rotating; all reads what came.
func rounds(t *testing.T, conn *pgx.Conn, from, n int) (data []string) {
	t.Helper()
	for i := range n {
		text := fmt.Sprint("e", from+i)
		data = append(data, text)
		pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', $2)`, queue, text)
		tick(t, conn)
		maintain(t, conn)
	}
	return data
}

// move puts a consumer at the last tick.
func move(t *testing.T, conn *pgx.Conn, consumer string) {
	t.Helper()
	pgtest.Exec(t, conn, `select pgq.register_consumer_at($1, $2, $3)`, queue, consumer, int64(last(t, conn).ID))
}

// TestRotationAgainstSlowReader: a reader that stands still keeps what it has
// still to read, one in the midst of a batch its tables.
func TestRotationAgainstSlowReader(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string, conn *pgx.Conn) {
		tick(t, conn)
		pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'slow')`, queue)
		start := last(t, conn)
		data := rounds(t, conn, 0, 6)
		want(t, "after six rounds", between(t, conn, start, last(t, conn)), data...)

		// It reads, slowly, and tells its position before it is through.
		slow := pgtest.Connect(t, dsn)
		end, at := last(t, conn), 0
		err := pgq.NewReader(slow, queue).Stream(t.Context(), start, end, func(*pgq.RawEvent) error {
			if at++; at == 2 {
				pgtest.Exec(t, conn, `select pgq.register_consumer_at($1, 'slow', $2)`, queue, int64(end.ID))
				rounds(t, conn, 100, 3)
			}
			return nil
		})
		if err != nil || at != len(data) {
			t.Errorf("read %d of %d events, %v", at, len(data), err)
		}
		turns := map[int]bool{}
		for range 8 {
			move(t, conn, "slow")
			rounds(t, conn, 200, 1)
			turns[pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`)] = true
		}
		if len(turns) != 3 {
			t.Errorf("the tables %v were in use: rotation stands still when nobody needs what would go", turns)
		}
	})
}

// TestTransactionHeldOpen: one that has written stays open across ticks and
// rotations. Everything else goes on, nothing needed is emptied, and what it
// wrote comes in the batch after its end.
func TestTransactionHeldOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string, conn *pgx.Conn) {
		tick(t, conn)
		pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
		held := pgtest.Connect(t, dsn)
		pgtest.Exec(t, held, `begin`)
		pgtest.Exec(t, held, `select pgq.insert_event($1, 't', 'held')`, queue)
		tick(t, conn)
		var read, written []string
		for i := range 12 {
			before := last(t, conn)
			written = append(written, rounds(t, conn, i, 1)...)
			read = append(read, between(t, conn, before, last(t, conn))...)
			move(t, conn, "c")
		}
		want(t, "read while it is open", read, written...)
		if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1 where ev_data <> 'held'`); n == 0 {
			t.Error("tables were emptied that a transaction open since holds in hand")
		}
		before := last(t, conn)
		pgtest.Exec(t, held, `commit`)
		for range 4 { // nobody has read it yet
			maintain(t, conn)
		}
		want(t, "after its end", between(t, conn, before, tick(t, conn)), "held")
		turns := map[int]bool{}
		for i := range 8 {
			move(t, conn, "c")
			rounds(t, conn, 100+i, 1)
			turns[pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`)] = true
		}
		if len(turns) != 3 || pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1 where ev_data = 'held'`) > 0 {
			t.Errorf("tables %v were in use after its end", turns)
		}
	})
}

// TestTickersOnBoth: two of ours beside each other; the second takes over.
func TestTickersOnBoth(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string, conn *pgx.Conn) {
		first, second := &ticker.Ticker{Database: pgtest.Config(t, dsn), Log: discard}, &ticker.Ticker{Database: pgtest.Config(t, dsn), Log: discard}
		stop := run(t, "first", first.Run)
		pgtest.Eventually(t, 10*time.Second, "the first leads", first.Leads)
		run(t, "second", second.Run)
		start := last(t, conn)
		var data []string
		write := func(n int) {
			for i := range n {
				data = append(data, fmt.Sprint(len(data)))
				pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', $2)`, queue, data[len(data)-1])
				time.Sleep(time.Duration(i%5) * time.Millisecond)
			}
		}
		write(100)
		if second.Leads() {
			t.Error("both lead")
		}
		stop()
		write(100)
		pgtest.Eventually(t, 6*time.Second, "the second leads", second.Leads)
		pgtest.Eventually(t, 6*time.Second, "all is ticked", func() bool { return len(between(t, conn, start, last(t, conn))) == len(data) })
		if n := pgtest.One[int](t, conn, `select count(*)::int from (select tick_snapshot, lag(tick_snapshot) over (order by tick_id) as before from pgq.tick) x
			where before is not null and not skytools.snapshot_covers(tick_snapshot, before)`); n > 0 {
			t.Errorf("%d ticks do not see all that the one before saw", n)
		}
	})
}
