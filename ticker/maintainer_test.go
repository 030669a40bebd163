package ticker

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
)

// turn rotates the queue once, with its one consumer at the last tick, and
// returns the number of the table that is written from now on.
func turn(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	makeTick(t, conn)
	pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
	if err := Maintain(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`)
}

// TestWriterWithOldSnapshot: a REPEATABLE READ transaction that began before
// rotations takes the table of then for the current one, with a transaction id
// of now. Its event is in the batch, and the table is not emptied before it is
// read.
func TestWriterWithOldSnapshot(t *testing.T) {
	dsn := database(t)
	conn, writer := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '0'`)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	turns := []int{turn(t, conn), turn(t, conn), turn(t, conn)}
	slices.Sort(turns)
	if !slices.Equal(turns, []int{0, 1, 2}) {
		t.Fatalf("tables in turn: %v", turns)
	}

	pgtest.Exec(t, writer, `begin isolation level repeatable read`)
	old := pgtest.One[int](t, writer, `select queue_cur_table from pgq.queue`)
	turn(t, conn)
	now := turn(t, conn)
	// The consumer is past both switches: by the time of its use, the old
	// table, which is the next one in turn, has nothing for it.
	makeTick(t, conn)
	pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
	pgtest.Exec(t, writer, `select skytools.insert_events($1, '{t}', '{late}')`, queue)
	pgtest.Exec(t, writer, `commit`)
	if old != (now+1)%3 || pgtest.One[int](t, conn, fmt.Sprintf(`select count(*)::int from pgq.event_1_%d`, old)) != 1 {
		t.Fatalf("the event is not in table %d: not the case to be tested", old)
	}
	before := last(t, conn)
	for range 4 { // nothing may be emptied that the consumer has not passed
		if err := Maintain(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	events := 0
	err := pgq.NewReader(conn, queue).Stream(t.Context(), before, makeTick(t, conn), func(*pgq.RawEvent) error { events++; return nil })
	if err != nil || events != 1 {
		t.Errorf("the batch has %d events, %v", events, err)
	}
	for range 4 {
		turn(t, conn)
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1`); n != 0 {
		t.Errorf("%d events left behind after all was read", n)
	}
}

func TestMaintain(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	pgtest.Exec(t, conn, `select pgq.create_queue('q.two')`)
	pgtest.Exec(t, conn, `create function extra(q text) returns int language plpgsql as
		$$ begin insert into seen values (q); return (select case when count(*) < 3 then 1 else 0 end from seen); end $$`)
	pgtest.Exec(t, conn, `create table seen (q text)`)
	pgtest.Exec(t, conn, `create function broken(q text) returns int language plpgsql as $$ begin raise 'broken on %', q; end $$`)
	pgtest.Exec(t, conn, `update pgq.queue set queue_extra_maint = array['public.broken', 'public.extra'] where queue_name = $1`, queue)

	// A batch's events come back in more than one call's worth.
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	write(t, conn, 25)
	makeTick(t, conn)
	batch := pgtest.One[int64](t, conn, `select pgq.next_batch($1, 'c')`, queue)
	pgtest.Exec(t, conn, `select pgq.batch_retry($1, 0)`, batch)
	pgtest.Exec(t, conn, `select pgq.finish_batch($1)`, batch)

	// Ticks of long ago, forty in one second.
	for range 40 {
		pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue where queue_name = 'q.two'`)
	}
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = date_trunc('second', now()) - interval '1 hour' from pgq.queue
		where queue_id = tick_queue and queue_name = 'q.two'`)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '0' where queue_name = 'q.two'`)
	table := pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue where queue_name = 'q.two'`)

	j := &pgtest.Journal{}
	if err := Maintain(t.Context(), conn, j.Logger()); err != nil {
		t.Fatal(err)
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from seen`); n != 3 {
		t.Errorf("a function that asks to be called again was called %d times, want 3", n)
	}
	if j.Count("level=WARN") != 1 || j.Count("broken on "+queue) != 1 {
		t.Error("the operation that failed is not in the log")
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.retry_queue`); n != 0 {
		t.Errorf("%d events wait although their retry is due", n)
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1 where ev_owner is not null`); n != 25 {
		t.Errorf("%d events came back, want 25", n)
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.tick join pgq.queue on queue_id = tick_queue where queue_name = 'q.two'`); n != 1 {
		t.Errorf("%d ticks of one second", n)
	}
	row := pgtest.One[bool](t, conn, `select queue_cur_table <> $1 and queue_switch_step2 > queue_switch_step1
		from pgq.queue where queue_name = 'q.two'`, table)
	if !row {
		t.Error("the rotation was not done, or its steps in one transaction")
	}
}

// TestMaintainerSurvivesFailures: a rotation whose first step alone was done
// is ended by the next round.
func TestMaintainerSurvivesFailures(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '0'`)
	t.Cleanup(func() { _ = failpoint.Arm("") })
	if err := failpoint.Arm("rotate.after-commit=error,maintain.before-commit=error"); err != nil {
		t.Fatal(err)
	}
	if err := Maintain(t.Context(), conn, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("the failure was not told")
	}
	if pgtest.One[*int64](t, conn, `select queue_switch_step2 from pgq.queue`) != nil {
		t.Fatal("step 2 was done: not the case to be tested")
	}
	j := &pgtest.Journal{}
	m := &Maintainer{Database: pgtest.Config(t, dsn), Log: j.Logger(), Delay: 100 * time.Millisecond}
	pgtest.Start(t, "maintainer", m.Run)
	pgtest.Eventually(t, 5*time.Second, "step 2", func() bool {
		return pgtest.One[*int64](t, conn, `select queue_switch_step2 from pgq.queue`) != nil
	})
	pgtest.Eventually(t, 5*time.Second, "another rotation", func() bool {
		return pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`) == 2
	})
	if j.Count("maintenance waits: ") != 1 || j.Count("injected failure") != 1 {
		t.Error("the failure is not in the log")
	}
}

// TestMaintainerDoesNotWaitForever: a transaction left open with a lock on one
// queue keeps nothing from the others.
func TestMaintainerDoesNotWaitForever(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.create_queue('a.held')`) // its turn is first
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '0'`)
	holder := pgtest.Connect(t, dsn)
	pgtest.Exec(t, holder, `begin`)
	pgtest.Exec(t, holder, `select pgq.register_consumer('a.held', 'c')`)
	j := &pgtest.Journal{}
	m := &Maintainer{Database: pgtest.Config(t, dsn), Log: j.Logger(), Delay: 50 * time.Millisecond, LockWait: 50 * time.Millisecond}
	pgtest.Start(t, "maintainer", m.Run)
	pgtest.Eventually(t, 5*time.Second, "rotations", func() bool {
		return pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue where queue_name = $1`, queue) == 2
	})
	if j.Count("maintenance: pgq.maint_rotate_tables_step1 a.held: ERROR: canceling statement due to lock timeout") == 0 {
		t.Error("it is not told that a queue cannot be rotated")
	}
	pgtest.Exec(t, holder, `rollback`)
}
