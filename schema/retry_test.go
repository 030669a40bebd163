package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestOnceAtOnce: many callers with the same keys write one event a key, also
// when some of them roll back.
func TestOnceAtOnce(t *testing.T) {
	b := newBench(t)
	const keys, callers = 40, 6
	g := new(errgroup.Group)
	for c := range callers {
		conn := pgtest.Connect(t, b.dsn)
		g.Go(func() error {
			for k := range keys {
				tx, err := conn.Begin(t.Context())
				if err != nil {
					return err
				}
				data := fmt.Sprintf("%d by %d", k, c)
				if _, err = tx.Exec(t.Context(), `select skytools.insert_event_once('q', $1, '1 hour', 't', $2)`,
					fmt.Sprint("key", k), data); err != nil {
					return err
				}
				if (k+c)%3 == 0 && c > 0 {
					err = tx.Rollback(t.Context())
				} else {
					err = tx.Commit(t.Context())
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	b.tick()
	var got []string
	for _, data := range b.drain(b.own, "c") {
		key, _, _ := strings.Cut(data, " ")
		got = append(got, key)
	}
	var want []string
	for k := range keys {
		want = append(want, fmt.Sprint(k))
	}
	b.wantData(got, want...)
	if n := pgtest.One[int](b.t, b.own, `select count(*) from skytools.once_key k where not exists (select from pgq.event_1 e where e.ev_id = k.ev_id)`); n > 0 {
		t.Errorf("%d keys tell an event that is not there", n)
	}
}

// TestOnceWaitsForTheFirst: the second caller waits for the first one's end,
// and writes if that rolled back. Whoever finds a key committed does not wait.
func TestOnceWaitsForTheFirst(t *testing.T) {
	b := newBench(t)
	const call = `select is_new from skytools.insert_event_once('q', 'k', '1 hour', 't', $1)`
	first, second := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(first, `begin`)
	b.run(first, call, "first")
	isNew := make(chan bool, 1)
	go func() { isNew <- pgtest.One[bool](b.t, second, call, "second") }()
	select {
	case <-isNew:
		t.Fatal("the second caller did not wait")
	case <-time.After(200 * time.Millisecond):
	}
	b.run(first, `rollback`)
	if !<-isNew {
		t.Fatal("nobody wrote the event")
	}
	b.run(first, `begin`)
	if pgtest.One[bool](b.t, first, call, "third") {
		t.Error("written twice")
	}
	b.run(second, `set lock_timeout = '1s'`)
	if pgtest.One[bool](b.t, second, call, "fourth") {
		t.Error("written twice")
	}
	b.run(first, `rollback`)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "second")
}

// TestMoversAtOnce: several maintainers, a rotation and a consumer that goes
// on at once neither lose nor double nor mix up what is due.
func TestMoversAtOnce(t *testing.T) {
	b := newBench(t)
	const events = 3000
	b.run(b.own, `select skytools.insert_event_at('q', now() - n * interval '1 ms', 't', to_char($1 - n, 'FM0000')) from generate_series(1, $1::int) n`, events)
	b.run(b.own, `update skytools.delayed_event set deliver_at = now() - ev_data::int * interval '-1 us' - interval '1 s'`)
	b.run(b.own, `insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_owner, ev_type, ev_data)
		select now() - interval '1 s', 1, n, now(), 1, 'r', 'r' || n from generate_series(1, $1::int) n`, events)
	locked := pgtest.Connect(t, b.dsn)
	b.run(locked, `begin`)
	b.run(locked, `select from pgq.retry_queue where ev_id = 5 for update`)
	g := new(errgroup.Group)
	for range 3 {
		conn := pgtest.Connect(t, b.dsn)
		g.Go(func() error {
			for range 60 {
				if _, err := conn.Exec(t.Context(), `set lock_timeout = '5s'; select skytools.move_retries(100) + skytools.move_delayed(100)`); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	b.tick()
	got := b.drain(b.own, "c")
	if len(got) != 2*events-1 {
		t.Fatalf("%d events came, want all but the one that is locked", len(got))
	}
	var delayed []string
	for _, data := range got {
		if data[0] != 'r' {
			delayed = append(delayed, data)
		}
	}
	if !slices.IsSorted(delayed) {
		t.Error("delayed events are not in the order of their times")
	}
	b.run(locked, `rollback`)
	b.run(b.own, `select pgq.maint_retry_events()`)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "r5")
	if n := pgtest.One[int](b.t, b.own, `select count(distinct ev_data) from pgq.event_1`); n != 2*events {
		t.Errorf("%d events, want %d", n, 2*events)
	}
}

// TestEventRetryProbes: one event of a large batch is found without reading
// the batch, wherever it lies; and is found by reading where ids are in
// disorder.
func TestEventRetryProbes(t *testing.T) {
	b := newBench(t)
	const events = 30000
	b.run(b.own, `select pgq.insert_event('q', 't', repeat('x', n % 200)) from generate_series(1, $1::int) n`, events)
	b.run(b.own, `insert into pgq.event_1_0 (ev_id, ev_time, ev_type) select $1 + 1000 - n, now(), 'disorder' from generate_series(1, 500) n`, events)
	b.tick()
	batch := pgtest.One[int64](b.t, b.own, `select pgq.next_batch('q', 'c')`)
	// The window of the probe holds the id for all that lie in order.
	old := pgtest.Server(t).Programs().Major < 14 // a range of pages is no scan of its own: the batch is read
	for _, id := range []int{1, 2, 77, 15000, events - 1, events} {
		places := pgtest.One[*int](b.t, b.own, `select cardinality(skytools.event_places($1, $2))`, batch, id)
		switch {
		case old && places != nil:
			t.Errorf("event %d is looked for by halving", id)
		case !old && (places == nil || *places != 1):
			t.Errorf("event %d: not found in one place by halving", id)
		}
	}
	for _, id := range []int{1, 15000, events, events + 600, events + 999} {
		if n := pgtest.One[int](b.t, b.own, `select pgq.event_retry($1, $2, 0)`, batch, id); n != 1 {
			t.Errorf("event %d: %d", id, n)
		}
	}
	_, err := b.own.Exec(t.Context(), `select pgq.event_retry($1, $2::bigint, 0)`, batch, events+1001)
	wantCode(t, err, "42704")
	pages := pgtest.One[int](b.t, b.own, `select pg_relation_size('pgq.event_1_0') / 8192`)
	if read := blocksRead(b, b.own, `select pgq.event_retry($1, 20000, 0)`, batch); read > pages/10 && !old {
		t.Errorf("%d pages looked at of %d", read, pages)
	}
}

// blocksRead counts the pages of event tables that a statement looks at.
func blocksRead(b *bench, conn *pgx.Conn, sql string, args ...any) int {
	b.t.Helper()
	const count = `select sum(pg_stat_get_xact_blocks_fetched(oid)) from pg_class where relname ~ '^event_1_\d$'`
	b.run(conn, `begin`)
	before := pgtest.One[int](b.t, conn, count) // of transactions that are not reported yet
	b.run(conn, sql, args...)
	n := pgtest.One[int](b.t, conn, count) - before
	b.run(conn, `commit`)
	return n
}

// TestReplayCounts: a dead letter whose event waits for a retry already is
// replayed, too; nobody is told that there was none.
func TestReplayCounts(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.insert_event('q', 't', 'a'), pgq.insert_event('q', 't', 'b')`)
	b.tick()
	batch := pgtest.One[int64](t, b.own, `select pgq.next_batch('q', 'c')`)
	b.run(b.own, `select skytools.event_dead($1, '{1,2}', 'no')`, batch)
	b.run(b.own, `insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_owner)
		select now(), sub_queue, 1, now(), sub_id from pgq.subscription`)
	if n := pgtest.One[int](t, b.own, `select skytools.dead_replay('q', 'c')`); n != 2 {
		t.Errorf("%d replayed of 2", n)
	}
	if n := pgtest.One[int](t, b.own, `select count(*)::int from pgq.retry_queue`); n != 2 {
		t.Errorf("%d events wait", n)
	}
}
