package schema

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestForceTickHoldsNothing: an uncommitted force_tick is seen by the next
// ticker, keeps nobody from ticking, and waits for a tick that is being made.
func TestForceTickHoldsNothing(t *testing.T) {
	b := newBench(t)
	caller := pgtest.Connect(t, b.dsn)
	b.run(caller, `begin isolation level repeatable read`)
	b.run(caller, `select count(*) from pgq.queue`)
	b.run(caller, `select pgq.force_tick('q')`)
	b.run(b.own, `set lock_timeout = '5s'`)
	for range 2 { // the queue's second tick comes by itself
		b.run(b.own, `select pgq.ticker()`)
	}
	before := pgtest.One[int64](b.t, b.own, `select max(tick_id) from pgq.tick`)
	b.run(caller, `select pgq.force_tick('q')`)
	if id := pgtest.One[int64](b.t, b.own, `select pgq.ticker('q')`); id != before+1 {
		t.Errorf("tick %d after the forced %d", id, before)
	}
	b.run(caller, `rollback`)

	// A tick that is being made takes the number that the mark would use.
	b.run(b.own, `begin`)
	b.run(b.own, `select skytools.tick_write(1)`)
	done := make(chan error, 1)
	go func() {
		_, err := caller.Exec(t.Context(), `select pgq.force_tick('q')`)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	b.run(b.own, `commit`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if id := pgtest.One[int64](b.t, b.own, `select pgq.ticker('q')`); id != before+3 {
		t.Errorf("tick %d, want %d", id, before+3)
	}
}

// TestForceTickThenExternal: a mark does not outlive ticks that come from
// another node.
func TestForceTickThenExternal(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.force_tick('q')`)
	b.run(b.own, `select pgq.set_queue_config('q', 'external_ticker', '1')`)
	b.run(b.own, `select pgq.ticker('q', 2, now(), 0)`)
	b.run(b.own, `select pgq.set_queue_config('q', 'external_ticker', '0')`)
	if id := pgtest.One[int64](b.t, b.own, `select skytools.tick_write(1)`); id != 3 {
		t.Errorf("tick %d after tick 2", id)
	}
}

// TestTickerPassesOver: a queue that is paused or dropped while ticker() waits
// for it ends the run for no other queue.
func TestTickerPassesOver(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.create_queue('p'), pgq.create_queue('r')`)
	b.run(b.own, `update pgq.tick set tick_time = now() - interval '1 hour'`)
	holder, ticker := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(holder, `begin`)
	b.run(holder, `select pgq.set_queue_config('q', 'ticker_paused', '1'), pgq.drop_queue('p')`)
	b.run(holder, `select skytools.tick_lock(queue_id) from pgq.queue where queue_name = 'q'`)
	done := make(chan int64, 1)
	go func() {
		var n int64
		if err := ticker.QueryRow(t.Context(), `select pgq.ticker()`).Scan(&n); err != nil {
			t.Error(err)
		}
		done <- n
	}()
	waiting := `select exists (select from pg_locks where locktype = 'advisory' and not granted)`
	for deadline := time.Now().Add(20 * time.Second); !pgtest.One[bool](b.t, b.own, waiting); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the ticker does not wait for the lock")
		}
	}
	b.run(holder, `commit`)
	if n := <-done; n != 1 {
		t.Errorf("%d queues were ticked, want r alone", n)
	}
}

// TestTickDuringRotation: a tick does not wait for a rotation that has not
// committed yet.
func TestTickDuringRotation(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.unregister_consumer('q', 'c')`)
	b.run(b.own, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
	rotation := pgtest.Connect(t, b.dsn)
	b.run(rotation, `begin`)
	b.run(rotation, `select pgq.maint_rotate_tables_step1('q')`)
	b.run(b.own, `set lock_timeout = '5s'`)
	b.tick()
	b.run(rotation, `commit`)
	b.run(rotation, `begin`)
	b.run(rotation, `select pgq.maint_rotate_tables_step2()`)
	b.tick()
	b.run(rotation, `commit`)
	if cur := pgtest.One[int](b.t, b.own, `select queue_cur_table from pgq.queue`); cur != 1 {
		t.Errorf("the current table is %d", cur)
	}
}
