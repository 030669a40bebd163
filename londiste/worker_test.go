package londiste_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/ticker"
)

// running is something that Run runs until the test's end.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func start(t *testing.T, run func(ctx context.Context) error) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(ctx)
	}()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// stop ends it as SIGTERM would and returns what Run returned.
func (r *running) stop() error {
	r.cancel()
	<-r.done
	return r.err
}

// ended waits for it to end by itself.
func (r *running) ended(t *testing.T) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(30 * time.Second):
		t.Fatal("still running")
		return nil
	}
}

// syncLog is a log that several goroutines write and the test reads.
type syncLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// flow is a pair under replication.
type flow struct {
	*pair
	log    *syncLog
	worker *replay.Worker
}

// newFlow has both sides installed and a ticker running. The worker is not
// started yet.
func newFlow(t *testing.T) *flow { return flowOf(t, ready(t)) }

func flowOf(t *testing.T, p *pair) *flow {
	t.Helper()
	f := &flow{pair: p, log: &syncLog{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("worker's log:\n%s", f.log)
		}
	})
	f.worker = f.newWorker()
	start(t, (&ticker.Ticker{Database: f.provConn.Config(), Log: slog.New(slog.DiscardHandler)}).Run)
	return f
}

func (f *flow) newWorker() *replay.Worker {
	w := &replay.Worker{Pair: f.sub.Pair}
	w.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return w
}

// add registers tables at both sides.
func (f *flow) add(names ...string) {
	f.t.Helper()
	f.ok(f.prov.AddTables(f.t.Context(), named(names...), londiste.Capture{}))
	f.ok(f.sub.AddTables(f.t.Context(), named(names...), londiste.AddOptions{}))
}

// both runs statements at both sides.
func (f *flow) both(sql string) {
	f.t.Helper()
	f.exec(f.provConn, sql)
	f.exec(f.subConn, sql)
}

// eventually waits until query gives want at conn.
func (f *flow) eventually(conn *pgx.Conn, query, want string) {
	f.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	var got string
	for {
		err := conn.QueryRow(f.t.Context(), query).Scan(&got)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: %q, %v, want %q", query, got, err, want)
		}
		time.Sleep(20 * time.Millisecond) // between questions to the server
	}
}

// says waits until the worker has logged text.
func (f *flow) says(text string) {
	f.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(f.log.String(), text); {
		if time.Now().After(deadline) {
			f.t.Fatalf("not logged: %s", text)
		}
		time.Sleep(20 * time.Millisecond) // between looks at the log
	}
}

func (f *flow) allOK() {
	f.t.Helper()
	f.eventually(f.subConn, `select coalesce(string_agg(distinct coalesce(merge_state, '-'), ','), 'none') from londiste.table_info`, "ok")
}

// caughtUp waits until the subscriber has applied all that is committed now.
func (f *flow) caughtUp() {
	f.t.Helper()
	var tick *int64
	for tick == nil { // another tick may come between the two looks
		tick = value[*int64](f.pair, f.provConn, `select skytools.tick('londiste.write',
			(select max(tick_id) from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue where queue_name = 'londiste.write'))`)
	}
	f.eventually(f.subConn, fmt.Sprintf(`select (last_tick_id >= %d)::text from pgq_node.local_state
		where consumer_name = 'job'`, *tick), "true")
}

// equal compares tables at both sides once all has arrived.
func (f *flow) equal(tables ...string) {
	f.t.Helper()
	f.caughtUp()
	pgtest.CompareTables(f.t, f.provDSN, f.subDSN, tables...)
}

// noCopyLeft wants every trace of copies gone at both sides.
func (f *flow) noCopyLeft() {
	f.t.Helper()
	for _, x := range []struct {
		conn *pgx.Conn
		sql  string
	}{
		{f.provConn, `select count(*)::text from pgq.get_consumer_info('londiste.write') where consumer_name like '%.copy.%'`},
		{f.provConn, `select count(*)::text from skytools.claim where consumer_name like '%.copy.%'`},
		{f.subConn, `select count(*)::text from pgq_node.local_state where consumer_name like '%.copy.%'`},
		{f.subConn, `select count(*)::text from skytools.pending_ddl where kind <> 'trigger'`},
		{f.subConn, `select count(*)::text from londiste.pending_fkeys`},
		{f.subConn, `select count(*)::text from londiste.table_info where custom_snapshot is not null`},
	} {
		f.eventually(x.conn, x.sql, "0")
	}
}

func TestWorkerReplicates(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id serial primary key, title text)`)
	f.exec(f.provConn, `insert into book (title) select 'old ' || i from generate_series(1, 500) i`)
	f.exec(f.subConn, `insert into book values (1, 'to be replaced'), (1000, 'to go')`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal("public.book")
	f.exec(f.provConn, `insert into book (title) values ('new'); update book set title = 'x' where id < 10;
		update book set id = -id where id = 20; delete from book where id = 30`)
	f.equal("public.book")
	f.exec(f.provConn, `truncate book`)
	f.exec(f.provConn, `insert into book (title) values ('after')`)
	f.equal("public.book")
	f.exec(f.subConn, `insert into book values (77, 'a stranger')`)
	f.ok(f.sub.Resync(t.Context(), named("book")))
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
	f.noCopyLeft()
	if value[bool](f.pair, f.subConn, `select exists (select from skytools.table_counter
		where events <> applied + coalesced + filtered + skipped)`) {
		t.Error("events got lost between the counters")
	}
}

func TestWorkerWaitsForInstall(t *testing.T) {
	t.Parallel()
	f := &flow{pair: newPair(t, fresh), log: &syncLog{}}
	w := start(t, f.newWorker().Run)
	f.says("the subscriber is not installed yet")
	f.ok(f.sub.Install(t.Context(), install))
	f.says("the provider is not installed yet")
	f.ok(f.prov.Install(t.Context(), install))
	f.says("Replicating")
	f.ok(w.stop())
	if n := strings.Count(f.log.String(), "not installed yet"); n != 2 {
		t.Errorf("said %d times what it waits for, want each once", n)
	}
}

// A row that somebody put at the subscriber stops the worker where that is
// asked for; without, it is set right and counted.
func TestConflictStops(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text)`)
	f.add("book")
	strict := f.newWorker()
	strict.StopOnConflict = true
	w := start(t, strict.Run)
	f.allOK()
	f.exec(f.subConn, `insert into book values (7, 'of here')`)
	f.exec(f.provConn, `insert into book values (7, 'theirs')`)
	f.eventually(f.subConn, `select (cur_error like '%public.book%(id)=(7)%')::text
		from pgq_node.local_state where consumer_name = 'job'`, "true")
	f.ok(w.stop())
	w = start(t, f.newWorker().Run)
	f.equal("public.book")
	f.ok(w.stop())
	if n := value[int](f.pair, f.subConn, `select diverged::int from skytools.table_counter where consumer_name = 'job'`); n != 1 {
		t.Errorf("%d rows counted as changed here, want 1", n)
	}
}

// A batch that cannot be applied stops the node where no table may be parked, tells why, and goes on when
// the reason is gone.
func TestBatchThatCannotBeApplied(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.worker.ParkAfter = -1
	f.both(`create table book (id int primary key, title text); create table shelf (id int primary key)`)
	f.add("book", "shelf")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.subConn, `alter table book add check (title <> 'bad')`)
	f.exec(f.provConn, `insert into book values (1, 'good'), (2, 'bad')`)
	f.eventually(f.subConn, `select (cur_error like '%public.book%' and cur_error like '%id%2%' and cur_error like '%insert%')::text
		from pgq_node.local_state where consumer_name = 'job'`, "true")
	f.exec(f.provConn, `insert into shelf values (1)`)
	time.Sleep(300 * time.Millisecond)
	if n := value[int](f.pair, f.subConn, `select count(*) from shelf`); n != 0 {
		t.Error("a later batch passed the one that is stuck")
	}
	f.exec(f.subConn, `alter table book drop constraint book_title_check`)
	f.equal("public.book", "public.shelf")
	f.eventually(f.subConn, `select coalesce(cur_error, '') from pgq_node.local_state where consumer_name = 'job'`, "")

	// Nor does a table that is gone hide which event was for it.
	f.exec(f.subConn, `alter table shelf rename to away`)
	f.exec(f.provConn, `insert into shelf values (2)`)
	event := value[int](f.pair, f.provConn, `select max(ev_id)::int from pgq.event_1`)
	f.eventually(f.subConn, fmt.Sprintf(`select (cur_error like '%%event %d to table public.shelf: %%does not exist at the subscriber%%')::text
		from pgq_node.local_state where consumer_name = 'job'`, event), "true")
	f.exec(f.subConn, `alter table away rename to shelf`)
	f.equal("public.shelf")

	// Nor is a row passed over that a policy hides from its owner.
	f.exec(f.subConn, `alter table shelf enable row level security; alter table shelf force row level security;
		create policy few on shelf using (id > 1)`)
	f.exec(f.provConn, `delete from shelf where id = 1`)
	f.eventually(f.subConn, `select (cur_error like '%public.shelf%row-level security%')::text
		from pgq_node.local_state where consumer_name = 'job'`, "true")
	f.exec(f.subConn, `alter table shelf no force row level security`)
	f.equal("public.shelf")
	f.ok(w.stop())
}

// A large batch is not sorted by the provider. When its first event turns out
// to lie last, what was applied by then is taken back.
func TestBatchOutOfOrder(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.worker.FetchAhead = 100_000 // less than a part
	f.both(`create table book (id int primary key, title text)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal("public.book")
	f.exec(f.provConn, `begin; insert into book values (0, 'first'); insert into book select g, 'a title' from generate_series(1, 40000) g;
		update book set title = 'second' where id = 0;
		update pgq.event_1 set ev_data = ev_data where ev_id = (select min(ev_id) from pgq.event_1 where ev_txid = txid_current()); commit`)
	f.equal("public.book")
	f.says("Events came out of order")
	f.ok(w.stop())
	var events, diverged, by int
	f.ok(f.subConn.QueryRow(t.Context(), `select events, diverged, by_sets from skytools.table_counter where consumer_name = 'job'`).Scan(&events, &diverged, &by))
	if events != 40002 || diverged != 0 || by == 0 {
		t.Errorf("%d events counted, %d rows diverged, %d by sets", events, diverged, by)
	}
}

func TestStopLeavesAfterTheBatch(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	stop := make(chan struct{})
	f.worker.Stop = stop
	w := start(t, f.worker.Run)
	f.says("Replicating")
	close(stop)
	f.ok(w.ended(t))
}
