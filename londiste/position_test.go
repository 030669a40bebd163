package londiste_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// established is a flow with one table in sync and no worker running.
func established(t *testing.T) *flow {
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (1)`)
	f.equal("public.book")
	f.ok(w.stop())
	return f
}

func (f *flow) refuses(text, advice string) {
	f.t.Helper()
	f.fails(start(f.t, f.newWorker().Run).ended(f.t), text, advice)
	f.eventually(f.subConn, `select (cur_error is not null)::text from pgq_node.local_state where consumer_name = 'job'`, "true")
	problems := f.sub.ReadStatus(f.t.Context()).Problems
	told := func(p londiste.Problem) bool {
		return p.Kind == londiste.Failing && strings.Contains(p.Text, text) && !strings.Contains(p.Text, "hint:") && strings.Count(p.Mend, advice) == 1
	}
	if !slices.ContainsFunc(problems, told) || slices.ContainsFunc(problems, func(p londiste.Problem) bool { return strings.Contains(p.Text, "has never run") }) {
		f.t.Errorf("status tells another way back than %q: %+v", advice, problems)
	}
}

func TestPositionBehindTheProvider(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.provConn, `insert into book values (2)`)
	here := value[int](f.pair, f.subConn, `select last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	f.eventually(f.provConn, fmt.Sprintf(`select (max(tick_id) > %d)::text from pgq.tick`, here), "true")
	f.exec(f.provConn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
	f.refuses("the provider was told", "replay --rewind")
	f.ok(f.newWorker().Rewind(t.Context()))
	w := start(t, f.newWorker().Run)
	f.equal("public.book")
	f.eventually(f.subConn, `select coalesce(cur_error, '') from pgq_node.local_state where consumer_name = 'job'`, "")
	f.ok(w.stop())
}

func TestPositionBeyondTheProvider(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.subConn, `update pgq_node.local_state set last_tick_id = 1000000`)
	f.refuses("it lost its latest changes", "replay --reset")
	f.ok(f.newWorker().Reset(t.Context()))
	f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	w := start(t, f.newWorker().Run)
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
}

func TestPositionWhoseTickIsGone(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.provConn, `insert into pgq.tick (tick_queue, tick_id, tick_event_seq)
		select tick_queue, tick_id + 1000, tick_event_seq from pgq.tick order by tick_id desc limit 1`)
	here := value[int](f.pair, f.subConn, `select last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	_, err := f.provConn.Exec(t.Context(), `delete from pgq.tick where tick_id = $1`, here)
	f.ok(err)
	f.refuses("the provider has no tick", "replay --reset")
}

// rewound makes sure that replication goes on after replay --rewind.
func (f *flow) rewound() {
	f.t.Helper()
	f.ok(f.newWorker().Rewind(f.t.Context()))
	w := start(f.t, f.newWorker().Run)
	f.exec(f.provConn, `insert into book values (3)`)
	f.equal("public.book")
	f.ok(w.stop())
}

func TestAnotherProvider(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.subConn, `update skytools.worker_state set provider_timeline = provider_timeline + 1`)
	f.refuses("the provider is server", "replay --rewind")
	f.rewound()
}

// A copy that was under way read what the new provider may not have: a row of
// it that no tick vouches for goes.
func TestAnotherProviderAmidACopy(t *testing.T) {
	f := established(t)
	f.both(`create table note2 (id int primary key); create table shelf (id int primary key)`)
	f.exec(f.provConn, `insert into note2 values (1); insert into shelf values (1)`)
	f.add("note2", "shelf")
	w := start(t, f.newWorker().Run)
	f.allOK()
	f.equal("public.note2", "public.shelf")
	f.ok(w.stop())
	for _, table := range []string{"note2", "shelf"} {
		consumer := "job.copy.public." + table
		f.exec(f.provConn, `select pgq.register_consumer_at('londiste.write', '`+consumer+`', sub_last_tick)
			from pgq.subscription where sub_consumer = (select co_id from pgq.consumer where co_name = 'job')`)
		f.exec(f.subConn, `insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
			select queue_name, '`+consumer+`', provider_node, last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	}
	f.exec(f.subConn, `insert into note2 values (2); insert into shelf values (2)`)
	f.exec(f.subConn, `update londiste.table_info set merge_state = 'catching-up', custom_snapshot = case table_name
			when 'public.note2' then '`+value[string](f.pair, f.provConn, `select txid_current_snapshot()::text`)+`' end
		where table_name in ('public.note2', 'public.shelf')`)
	f.exec(f.subConn, `update skytools.worker_state set provider_timeline = provider_timeline + 1`)
	f.refuses("the provider is server", "replay --rewind")
	f.rewound()
	f.says(`copying it anew" table=public.note2`)
	w = start(t, f.newWorker().Run)
	f.allOK()
	f.equal("public.note2")
	f.ok(w.stop())
	if n := value[int](f.pair, f.subConn, `select count(*)::int from shelf`); n != 2 {
		t.Error("a table whose rows a tick vouches for was copied anew")
	}
}

// A server set back to an older state of its disk is the same server with
// other ticks of the same numbers.
func TestProviderRestoredFromBackup(t *testing.T) {
	t.Parallel()
	f := established(t)
	here := value[int](f.pair, f.subConn, `select last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	f.exec(f.provConn, fmt.Sprintf(`update pgq.tick set tick_time = tick_time + interval '1 second' where tick_id = %d`, here))
	f.refuses("was restored from a backup", "replay --rewind")
	f.rewound()
}

// A position that no table needs is kept all the same: no event is counted
// twice because the provider has been told less.
func TestPositionNeverGoesBack(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.provConn, `update pgq.subscription set sub_last_tick = (select min(tick_id) from pgq.tick)`)
	f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	w := start(t, f.newWorker().Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (3)`)
	f.equal("public.book")
	f.ok(w.stop())
	if n := value[int](f.pair, f.subConn, `select sum(events)::int from skytools.table_counter where consumer_name = 'job'`); n != 2 {
		t.Errorf("%d events counted, want 2", n)
	}
}

func TestUnregisteredConsumer(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.provConn, `select pgq.unregister_consumer('londiste.write', 'job')`)
	f.refuses("not registered at the provider", "subscriber register")
	f.ok(f.sub.Register(t.Context(), false))
	f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	w := start(t, f.newWorker().Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (3)`)
	f.equal("public.book")
	f.ok(w.stop())
}

// A worker that the provider detached says so, and goes on from where it stood
// once it is attached.
func TestDetachedWorker(t *testing.T) {
	t.Parallel()
	f := established(t)
	f.exec(f.provConn, `insert into book values (3)`)
	f.exec(f.provConn, `select skytools.tick('londiste.write')`)
	// Ticks that were applied keep their time: it tells one server from another.
	here := value[int](f.pair, f.subConn, `select last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	f.exec(f.provConn, fmt.Sprintf(`update pgq.subscription set sub_last_tick = %d`, here))
	f.exec(f.provConn, fmt.Sprintf(`update pgq.tick set tick_time = tick_time - interval '2 hours' where tick_id > %d`, here))
	f.exec(f.provConn, `select skytools.set_queue_policy('londiste.write', 'backlog_max_age', '1 hour')`)
	f.exec(f.provConn, `select skytools.maint_backlog()`)
	if n := value[int](f.pair, f.provConn, `select count(*)::int from skytools.detached_consumer`); n != 0 {
		t.Fatal("a worker is detached although the policy does not say so")
	}
	f.exec(f.provConn, `select skytools.set_queue_policy('londiste.write', 'backlog_workers', 'on')`)
	f.exec(f.provConn, `select skytools.maint_backlog()`)
	f.refuses("the provider detached it at", "select skytools.attach_consumer('londiste.write', 'job')")
	f.exec(f.provConn, `select skytools.set_queue_policy('londiste.write', 'backlog_max_age', null)`)
	f.exec(f.provConn, `select skytools.attach_consumer('londiste.write', 'job')`)
	w := start(t, f.newWorker().Run)
	f.equal("public.book")
	f.ok(w.stop())
}

// The server's process of a worker that has ended holds the lease a moment longer.
func TestResetAfterTheWorkerEnded(t *testing.T) {
	t.Parallel()
	f := established(t)
	process := pgtest.Connect(t, f.subDSN)
	f.exec(process, fmt.Sprintf(`select pg_advisory_lock(hashtextextended('skytools.lease %s job', 0))`, f.sub.Queue))
	time.AfterFunc(300*time.Millisecond, func() { _ = process.Close(context.Background()) })
	f.ok(f.newWorker().Reset(t.Context()))
}

func TestRewindWhileAWorkerRuns(t *testing.T) {
	t.Parallel()
	f := established(t)
	w := start(t, f.newWorker().Run)
	f.exec(f.provConn, `insert into book values (3)`)
	f.equal("public.book")
	f.fails(f.newWorker().Rewind(t.Context()), "is running", "replay -s")
	f.fails(f.newWorker().Reset(t.Context()), "is running", "replay -s")
	f.ok(w.stop())
}
