package ticker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
)

func TestTickerWaitsForInstall(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	conn := pgtest.Connect(t, dsn)
	log := startTicker(t, dsn)
	pgtest.Eventually(t, 5*time.Second, "ticker says that it waits", func() bool { return log.Count("PgQ is not installed in database") == 1 })
	time.Sleep(1500 * time.Millisecond) // it looks again meanwhile
	if n := log.Count("ticker waits"); n != 1 {
		t.Errorf("said %d times that it waits", n)
	}
	if err := install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	before := last(t, conn)
	write(t, conn, 1)
	pgtest.Eventually(t, 5*time.Second, "a tick after install", func() bool { return last(t, conn).ID > before.ID })
	if log.Count("ticker works") != 1 {
		t.Error("it does not say that it works")
	}
}

func TestTickerWaitsForServer(t *testing.T) {
	s := pgtest.Own(t, pgserver.Options{})
	dsn := pgtest.Database(t, s, install)
	log := startTicker(t, dsn)
	conn := pgtest.Connect(t, dsn)
	before := last(t, conn)
	write(t, conn, 1)
	pgtest.Eventually(t, 5*time.Second, "a tick", func() bool { return last(t, conn).ID > before.ID })
	if err := s.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 5*time.Second, "ticker says that it waits", func() bool { return log.Count("ticker waits") > 0 })
	time.Sleep(time.Second) // what must not happen has time to
	if n := log.Count("ticker waits"); n > 3 {
		t.Errorf("said %d times that it waits", n)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn = pgtest.Connect(t, dsn)
	before = last(t, conn)
	write(t, conn, 1)
	pgtest.Eventually(t, 10*time.Second, "a tick after the restart", func() bool { return last(t, conn).ID > before.ID })
}

func TestTickerNotifies(t *testing.T) {
	dsn := database(t)
	conn, listener := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, listener, `listen `+pgq.TickChannel)
	startTicker(t, dsn)
	for range 5 {
		time.Sleep(200 * time.Millisecond) // the ticker goes to rest
		write(t, conn, 1)
		seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue`)
		// The number may be ticked before its transaction has ended; then a
		// second tick, with a notification of its own, follows.
		for waiting := true; waiting; {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			n, err := listener.WaitForNotification(ctx)
			cancel()
			if err != nil || n.Payload != queue {
				t.Fatalf("%v, %v", n, err)
			}
			waiting = int64(last(t, listener).EventSeq) != seq
		}
	}
}

// TestLateCommit: the last tick was made while a transaction with events was
// open, and nothing else happens to the queue. It is open inside the tick's
// snapshot if a later one has ended, else it lies beyond its xmax. The events
// may be some that come again, for one consumer.
func TestLateCommit(t *testing.T) {
	for _, c := range []struct{ beyond, again bool }{{false, false}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			beyond := c.beyond
			dsn := database(t)
			conn, writer := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
			startTicker(t, dsn)
			first := last(t, conn)
			pgtest.Exec(t, writer, "begin")
			if !beyond {
				pgtest.Exec(t, writer, "select txid_current()")
				pgtest.Exec(t, conn, "select txid_current()")
			}
			if c.again {
				pgtest.Exec(t, writer, `select pgq.insert_event_raw($1, null, now(), 1, 1, 't', 'd', null, null, null, null)
					from generate_series(1, 2)`, queue)
			} else {
				write(t, writer, 2)
			}
			var early pgq.Tick
			pgtest.Eventually(t, 2*time.Second, "a tick for the numbers drawn", func() bool {
				early = last(t, conn)
				return early.EventSeq == first.EventSeq+2
			})
			id := pgq.TxID(pgtest.One[int64](t, writer, "select txid_current()"))
			if early.Snapshot.Sees(id) || beyond != (id >= early.Snapshot.Xmax) {
				t.Fatalf("transaction %d, snapshot %s: not the case to be tested", id, early.Snapshot)
			}
			// Transactions that wrote nothing here make no ticks.
			for range 20 {
				pgtest.Exec(t, conn, "select txid_current()")
				time.Sleep(10 * time.Millisecond) // the ticker looks between two
			}
			if n := last(t, conn).ID - early.ID; n != 0 {
				t.Errorf("%d empty ticks while a transaction is open", n)
			}
			pgtest.Exec(t, writer, "commit")
			d := pgtest.Eventually(t, 2*time.Second, "a tick for the late commit", func() bool { return last(t, conn).Snapshot.Sees(id) })
			t.Logf("ticked %v after the commit", d)
			time.Sleep(300 * time.Millisecond) // what must not happen has time to
			if n := last(t, conn).ID - early.ID; n != 1 {
				t.Errorf("%d ticks for one late commit", n)
			}
		})
	}
}

// TestLateRollback: nothing came of it, so no tick does.
func TestLateRollback(t *testing.T) {
	dsn := database(t)
	conn, writer := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	startTicker(t, dsn)
	first := last(t, conn)
	pgtest.Exec(t, writer, "begin")
	write(t, writer, 2)
	pgtest.Eventually(t, 2*time.Second, "a tick for the numbers drawn", func() bool { return last(t, conn).EventSeq == first.EventSeq+2 })
	early := last(t, conn)
	pgtest.Exec(t, writer, "rollback")
	time.Sleep(500 * time.Millisecond) // what must not happen has time to
	if n := last(t, conn).ID - early.ID; n != 0 {
		t.Errorf("%d ticks for a rollback", n)
	}
}

func TestTickerObeysSettings(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	set := func(name, value string) {
		t.Helper()
		if err := pgq.SetConfig(t.Context(), conn, queue, []pgq.Setting{{Name: name, Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	set("ticker_paused", "1")
	startTicker(t, dsn)
	first := last(t, conn)
	write(t, conn, 1)
	time.Sleep(300 * time.Millisecond) // what must not happen has time to
	if last(t, conn).ID != first.ID {
		t.Error("a paused queue was ticked")
	}
	set("ticker_paused", "0")
	pgtest.Eventually(t, 2*time.Second, "a tick when no longer paused", func() bool { return last(t, conn).ID > first.ID })

	set("external_ticker", "1")
	first = last(t, conn)
	write(t, conn, 1)
	time.Sleep(300 * time.Millisecond) // what must not happen has time to
	if last(t, conn).ID != first.ID {
		t.Error("a queue with ticks from outside was ticked")
	}
	set("external_ticker", "0")
	pgtest.Eventually(t, 2*time.Second, "a tick when ours again", func() bool { return last(t, conn).ID > first.ID })

	first = last(t, conn)
	time.Sleep(300 * time.Millisecond) // what must not happen has time to
	if last(t, conn).ID != first.ID {
		t.Error("an idle queue was ticked")
	}
	set("queue_ticker_idle_period", "0.2")
	pgtest.Eventually(t, 2*time.Second, "idle ticks", func() bool { return last(t, conn).ID > first.ID+2 })

	// Queues come and go under a running ticker.
	pgtest.Exec(t, conn, `select pgq.drop_queue($1)`, queue)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	first = last(t, conn)
	write(t, conn, 1)
	pgtest.Eventually(t, 2*time.Second, "a tick of the new queue", func() bool { return last(t, conn).ID > first.ID })
}

// TestForcedTick: the ticker finds a tick that was forced, also before the
// commit, and no event id is spent on it.
func TestForcedTick(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	startTicker(t, dsn)
	write(t, conn, 1)
	seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue`)
	pgtest.Eventually(t, 5*time.Second, "a tick of the event", func() bool { return int64(last(t, conn).EventSeq) == seq })
	for range 3 {
		time.Sleep(300 * time.Millisecond) // what is left to tick for the writers is ticked
		before := last(t, conn)
		caller := pgtest.Connect(t, dsn)
		pgtest.Exec(t, caller, `begin`)
		if id := pgtest.One[int64](t, caller, `select pgq.force_tick('`+queue+`')`); id != int64(before.ID) {
			t.Errorf("force_tick returned %d, the last tick is %d", id, before.ID)
		}
		pgtest.Eventually(t, 5*time.Second, "the forced tick", func() bool { return last(t, conn).ID > before.ID })
		pgtest.Exec(t, caller, `rollback`)
		if after := last(t, conn); after.ID != before.ID+1 || after.EventSeq != before.EventSeq {
			t.Errorf("tick %d of sequence value %d after %d of %d", after.ID, after.EventSeq, before.ID, before.EventSeq)
		}
	}
}

func TestTickFunction(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	tick := func(sql string) *int64 {
		t.Helper()
		return pgtest.One[*int64](t, conn, sql, queue)
	}
	makeTick(t, conn) // the template's first one may be idle for long
	if n := tick(`select skytools.tick($1)`); n != nil {
		t.Errorf("nothing new: tick %d", *n)
	}
	write(t, conn, 1)
	if n := tick(`select skytools.tick($1)`); n == nil {
		t.Error("no tick for an event")
	}
	newest := last(t, conn).ID
	if n := tick(fmt.Sprintf(`select skytools.tick($1, %d)`, newest)); n == nil || pgq.TickID(*n) != newest+1 {
		t.Error("no tick although asked for one after the last")
	}
	if n := tick(fmt.Sprintf(`select skytools.tick($1, %d)`, newest)); n != nil {
		t.Error("a tick although there was one after the one given")
	}
	pgtest.Exec(t, conn, "begin isolation level repeatable read")
	write(t, conn, 1)
	_, err := conn.Exec(t.Context(), `select skytools.tick($1)`, queue)
	if err == nil || !strings.Contains(err.Error(), "repeatable read") {
		t.Errorf("tick under repeatable read: %v", err)
	}
	pgtest.Exec(t, conn, "rollback")
	if _, err := conn.Exec(t.Context(), `select skytools.tick('none')`); err == nil {
		t.Error("a queue that does not exist was ticked")
	}

	// A commit that does not wait for the disk is not good enough for a tick.
	pgtest.Exec(t, conn, "begin; set local synchronous_commit = off")
	write(t, conn, 1)
	pgtest.Exec(t, conn, `select skytools.tick($1)`, queue)
	if s := pgtest.One[string](t, conn, "show synchronous_commit"); s != "on" {
		t.Errorf("a tick commits with synchronous_commit %s", s)
	}
	pgtest.Exec(t, conn, "commit")
}

// TestTickerSurvivesFailures: an error on either side of a commit costs a
// connection, never a tick's notification that nothing follows.
func TestTickerSurvivesFailures(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	t.Cleanup(func() { _ = failpoint.Arm("") })
	startTicker(t, dsn)
	for _, point := range []string{"tick.before-commit", "tick.after-commit", "notify.before-commit", "notify.after-commit"} {
		if err := failpoint.Arm(point + "=error"); err != nil {
			t.Fatal(err)
		}
		write(t, conn, 1)
		seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue`)
		pgtest.Eventually(t, 3*time.Second, point+": tick", func() bool { return int64(last(t, conn).EventSeq) == seq })
		write(t, conn, 1)
		pgtest.Eventually(t, 3*time.Second, point+": next tick", func() bool { return int64(last(t, conn).EventSeq) == seq+1 })
	}
}

// TestOneBadQueue: what is wrong with one queue does not stop the others.
func TestOneBadQueue(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.create_queue('a.bad')`) // its turn is first
	pgtest.Exec(t, conn, `update pgq.tick set tick_snapshot = '900000000:900000000:' from pgq.queue
		where queue_id = tick_queue and queue_name = 'a.bad'`)
	pgtest.Exec(t, conn, `select pgq.create_queue(repeat('a', 8000))`) // no NOTIFY can name it
	pgtest.Exec(t, conn, `select pgq.create_queue('a.locked'), pgq.insert_event('a.locked', 't', 'd')`)
	pgtest.Exec(t, conn, `select pgq.create_queue('a.halved')`)
	pgtest.Exec(t, conn, `alter sequence `+pgtest.One[string](t, conn, `select queue_event_seq from pgq.queue where queue_name = 'a.halved'`)+` rename to halved`)
	locker := pgtest.Connect(t, dsn)
	pgtest.Exec(t, locker, `begin`)
	pgtest.Exec(t, locker, `select skytools.tick_lock(queue_id) from pgq.queue where queue_name = 'a.locked'`)
	log := startTicker(t, dsn)
	for range 3 {
		pgtest.Exec(t, conn, `select pgq.insert_event('a.bad', 't', 'd'), pgq.insert_event(repeat('a', 8000), 't', 'd')`)
		write(t, conn, 1)
		seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue where queue_name = $1`, queue)
		pgtest.Eventually(t, 3*time.Second, "a tick of the good queue", func() bool { return int64(last(t, conn).EventSeq) == seq })
	}
	time.Sleep(2500 * time.Millisecond) // it is tried again meanwhile
	if log.Count("queue a.bad is not ticked: ERROR: Invalid PgQ state") != 1 || log.Count("hint: transaction ids went back") != 1 || log.Count("not ticked") != 3 {
		t.Errorf("said %d times that the bad ones are not ticked", log.Count("not ticked"))
	}
	if log.Count("ticker waits") > 0 {
		t.Error("it lost its connection over one queue")
	}
	pgtest.Exec(t, locker, `commit`)
	pgtest.Eventually(t, 5*time.Second, "a tick of the queue whose lock was kept", func() bool {
		return pgtest.One[int](t, conn, `select count(*) from pgq.tick join pgq.queue on queue_id = tick_queue
			where queue_name = 'a.locked'`) > 1
	})
}

// TestQueuesComeAndGo: a queue dropped at any moment is no trouble.
func TestQueuesComeAndGo(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	log := startTicker(t, dsn)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		pgtest.Exec(t, conn, `select pgq.create_queue('gone')`)
		pgtest.Exec(t, conn, `select pgq.insert_event('gone', 't', 'd')`)
		pgtest.Exec(t, conn, `select pgq.drop_queue('gone')`)
	}
	if log.Count("ticker waits") > 0 || log.Count("not ticked") > 0 {
		t.Error("it tells of trouble")
	}
}

// TestSettingsOfTheDatabase: what a database's owner sets for people does not
// keep a queue from being ticked.
func TestSettingsOfTheDatabase(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	for _, setting := range []string{
		"default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
		"search_path = public, pg_catalog",
	} {
		pgtest.Exec(t, conn, `alter database `+pgx.Identifier{pgtest.DBName(t, dsn)}.Sanitize()+` set `+setting)
	}
	pgtest.Exec(t, conn, `create function public.txid_current_snapshot() returns txid_snapshot
		language sql as $$ select '900000000:900000000:'::txid_snapshot $$`)
	startTicker(t, dsn)
	write(t, conn, 1)
	seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue`)
	pgtest.Eventually(t, 3*time.Second, "a tick", func() bool { return int64(last(t, conn).EventSeq) == seq })
}

func TestAck(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	pgtest.Exec(t, conn, `insert into skytools.claim (queue_name, consumer_name, system_identifier, database_oid, database_name, node_name, epoch)
		values ($1, 'c', 'x', 1, 'x', 'x', 7)`, queue)
	first := last(t, conn).ID
	write(t, conn, 1)
	second := makeTick(t, conn).ID
	ack := func(tick pgq.TickID, epoch int) bool {
		t.Helper()
		return pgtest.One[bool](t, conn, `select skytools.ack($1, 'c', $2, $3)`, queue, int64(tick), epoch)
	}
	at := func() pgq.TickID {
		return pgq.TickID(pgtest.One[int64](t, conn, `select sub_last_tick from pgq.subscription`))
	}
	if ack(second, 6) || at() != first {
		t.Errorf("another epoch moved the consumer to %d", at())
	}
	if !ack(second, 7) || at() != second {
		t.Errorf("consumer at %d", at())
	}
	if !ack(first, 7) || at() != second {
		t.Errorf("consumer moved back to %d", at())
	}
	if _, err := conn.Exec(t.Context(), `select skytools.ack($1, 'c', $2, 7)`, queue, int64(second+1)); err == nil {
		t.Error("moved to a tick that does not exist")
	}
	pgtest.Exec(t, conn, `select pgq.unregister_consumer($1, 'c')`, queue)
	if ack(second, 7) {
		t.Error("moved a consumer that is not registered")
	}
}

func TestThinningKeepsPositions(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	var ids []int64
	for range 20 {
		write(t, conn, 1)
		ids = append(ids, int64(makeTick(t, conn).ID))
	}
	// All within one second, two hours ago.
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = date_trunc('second', now() - interval '2 hours') + tick_id * interval '1 ms'`)
	pgtest.Exec(t, conn, `select pgq.register_consumer_at($1, 'open', $2)`, queue, ids[3])
	pgtest.Exec(t, conn, `select pgq.next_batch($1, 'open')`, queue)
	pgtest.Exec(t, conn, `update pgq.subscription set sub_active = now() - interval '9 hours'`)
	pgtest.Exec(t, conn, `insert into pgq_node.node_location values ($1, 'root', ''); `, queue)
	pgtest.Exec(t, conn, `insert into pgq_node.node_info (queue_name, node_type, node_name, worker_name) values ($1, 'root', 'root', 'root')`, queue)
	pgtest.Exec(t, conn, `insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id) values ($1, 'root', 'root', $2)`, queue, ids[10])
	open := pgtest.One[int64](t, conn, `select sub_next_tick from pgq.subscription`)

	// A consumer that was heard of around then may be anywhere after its tick.
	pgtest.Exec(t, conn, `select pgq.register_consumer_at($1, 'worker', $2)`, queue, ids[15])
	pgtest.Exec(t, conn, `update pgq.subscription set sub_active = now() - interval '2 hours' where sub_last_tick = $1`, ids[15])
	pgtest.Exec(t, conn, `select skytools.maint_thin_ticks($1)`, queue)
	rows, err := conn.Query(t.Context(), `select tick_id from pgq.tick order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	want := append([]int64{ids[3], open, ids[10]}, ids[15:]...)
	if fmt.Sprint(left) != fmt.Sprint(want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

// TestTickerDelay: how long until the next look, where the ini does not say.
func TestTickerDelay(t *testing.T) {
	now := time.Now()
	for _, x := range []struct {
		name     string
		moved    time.Time
		asked    []time.Time // of each queue
		interval time.Duration
		from, to time.Duration
	}{
		{"nothing came for a while", now.Add(-time.Minute), []time.Time{now}, 0, quietDelay, quietDelay},
		{"no queue", now, nil, 0, busyDelay, busyDelay},
		{"events come, the last tick is old", now, []time.Time{now.Add(-time.Second)}, 0, busyDelay, busyDelay},
		{"just ticked: nothing is due for 10 ms", now, []time.Time{now}, 0, busyDelay + 1, 10 * time.Millisecond},
		{"just ticked, but not the other queue", now, []time.Time{now, now.Add(-time.Second)}, 0, busyDelay, busyDelay},
		{"a new queue is found in time", now, []time.Time{now}, time.Hour, quietDelay, quietDelay},
	} {
		ticker := Ticker{moved: x.moved, TickInterval: x.interval, queues: map[int32]*ticking{}}
		for i, at := range x.asked {
			ticker.queues[int32(i)] = &ticking{asked: at}
		}
		if got := ticker.delay(); got < x.from || got > x.to {
			t.Errorf("%s: next look in %s, not within %s and %s", x.name, got, x.from, x.to)
		}
	}
}
