package londiste_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
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
	t.Cleanup(func() { r.stop() })
	return r
}

// stop ends it as SIGTERM would and returns what Run returned.
func (r *running) stop() error {
	r.cancel()
	<-r.done
	return r.err
}

// syncLog is a log that several goroutines write and the test reads.
type syncLog struct {
	t  *testing.T
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
	worker *londiste.Worker
}

// newFlow has both sides installed and a ticker running. The worker is not
// started yet.
func newFlow(t *testing.T) *flow {
	t.Helper()
	f := &flow{pair: ready(t), log: &syncLog{t: t}}
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("worker's log:\n%s", f.log)
		}
	})
	f.worker = &londiste.Worker{Pair: f.sub.Pair}
	f.worker.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	start(t, (&pgq.Ticker{Database: f.provConn.Config(), Log: slog.New(slog.DiscardHandler)}).Run)
	return f
}

// add registers tables at both sides.
func (f *flow) add(names ...string) {
	f.t.Helper()
	f.ok(f.prov.AddTables(f.t.Context(), named(names...), londiste.Capture{}))
	f.ok(f.sub.AddTables(f.t.Context(), named(names...), londiste.AddOptions{}))
}

// eventually waits until query gives want at conn.
func (f *flow) eventually(conn *pgx.Conn, query, want string) {
	f.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	var got string
	for {
		err := conn.QueryRow(f.t.Context(), query).Scan(&got)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: %q, %v, want %q", query, got, err, want)
		}
		time.Sleep(20 * time.Millisecond)
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

// equal compares tables at both sides.
func (f *flow) equal(tables ...string) {
	f.t.Helper()
	f.caughtUp()
	pgtest.CompareTables(f.t, f.provDSN, f.subDSN, tables...)
}

// both runs statements at both sides.
func (f *flow) both(sql string) {
	f.t.Helper()
	f.exec(f.provConn, sql)
	f.exec(f.subConn, sql)
}

func TestWorkerReplicates(t *testing.T) {
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
}

// noCopyLeft wants every trace of copies gone at both sides.
func (f *flow) noCopyLeft() {
	f.t.Helper()
	for _, x := range []struct {
		conn *pgx.Conn
		sql  string
	}{
		{f.provConn, `select count(*) from pgq.get_consumer_info('londiste.write') where consumer_name like '%.copy.%'`},
		{f.provConn, `select count(*) from skytools.claim where consumer_name like '%.copy.%'`},
		{f.subConn, `select count(*) from pgq_node.local_state where consumer_name like '%.copy.%'`},
		{f.subConn, `select count(*) from skytools.pending_ddl where kind <> 'trigger'`},
		{f.subConn, `select count(*) from londiste.pending_fkeys`},
	} {
		if n := value[int](f.pair, x.conn, x.sql); n != 0 {
			f.t.Errorf("%d: %s", n, x.sql)
		}
	}
}

var (
	_ = errors.Is
	_ = failpoint.Arm
)
