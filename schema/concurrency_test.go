package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// bench is a database with the queue q, and connections to it.
type bench struct {
	t   testing.TB
	dsn string
	own *pgx.Conn
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchOn(t, pgtest.Server(t))
}

func newBenchOn(t testing.TB, s *pgserver.Server) *bench {
	t.Helper()
	dsn := pgtest.Database(t, s, setup)
	b := &bench{t, dsn, pgtest.Connect(t, dsn)}
	b.run(b.own, `select pgq.create_queue('q'), pgq.register_consumer('q', 'c')`)
	return b
}

func (b *bench) run(conn *pgx.Conn, sql string, args ...any) {
	b.t.Helper()
	pgtest.Exec(b.t, conn, sql, args...)
}

// tick makes a tick that is not to wait for anything.
func (b *bench) tick() { b.run(b.own, `select skytools.tick_write(1)`) }

// drain reads all batches of a consumer and returns the events' data in the
// order of reading.
func (b *bench) drain(conn *pgx.Conn, consumer string) []string {
	b.t.Helper()
	var all []string
	for {
		batch := pgtest.One[*int64](b.t, conn, `select pgq.next_batch('q', $1)`, consumer)
		if batch == nil {
			return all
		}
		all = append(all, pgtest.Column[string](b.t, conn, `select ev_data from pgq.get_batch_events($1)`, *batch)...)
		b.run(conn, `select pgq.finish_batch($1)`, *batch)
	}
}

// waits returns when the session waits for a lock.
func (b *bench) waits(conn *pgx.Conn) {
	b.t.Helper()
	for range 2000 {
		if pgtest.One[bool](b.t, b.own, `select coalesce(wait_event_type = 'Lock', false) from pg_stat_activity where pid = $1`, conn.PgConn().PID()) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.t.Fatal("the session waits for no lock")
}

// rotate makes a rotation due and does it.
func (b *bench) rotate() {
	b.t.Helper()
	b.run(b.own, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
	b.run(b.own, `select pgq.maint_rotate_tables_step1('q')`)
	b.run(b.own, `select pgq.maint_rotate_tables_step2()`)
}

func (b *bench) wantData(got []string, want ...string) {
	b.t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Fatalf("read %v, want %v", got, want)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Code != code || pg.Hint == "" {
		t.Fatalf("got %v, want SQLSTATE %s and a hint", err, code)
	}
}

// TestInsertEventFollowsRotation: a session whose plans name the table before
// goes to the current one in its next transaction.
func TestInsertEventFollowsRotation(t *testing.T) {
	b := newBench(t)
	writer := pgtest.Connect(t, b.dsn)
	for n := range 4 {
		b.run(writer, `select pgq.insert_event('q', 't', $1)`, strconv.Itoa(n))
		if in := pgtest.One[string](b.t, b.own, `select tableoid::regclass::text from pgq.event_1 where ev_data = $1`, strconv.Itoa(n)); in != fmt.Sprintf("pgq.event_1_%d", n%3) {
			t.Errorf("event %d is in %s", n, in)
		}
		b.tick()
		b.wantData(b.drain(b.own, "c"), strconv.Itoa(n))
		b.tick()
		b.drain(b.own, "c")
		b.rotate()
	}
}

// TestQueuesOfOldSnapshots: a transaction that does not see a queue made
// meanwhile writes the text that finds queues by name. Both queues serve.
func TestQueuesOfOldSnapshots(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.create_queue('gone')`)
	old := pgtest.Connect(t, b.dsn)
	b.run(old, `begin isolation level repeatable read`)
	b.run(old, `select count(*) from pgq.queue`)
	b.run(b.own, `select pgq.create_queue('younger'), pgq.drop_queue('gone')`)
	b.run(old, `select pgq.create_queue('older')`)
	b.run(old, `commit`)
	for _, q := range []string{"q", "younger", "older"} {
		b.run(b.own, `select pgq.insert_event($1, 't', 'd')`, q)
	}
	_, err := b.own.Exec(t.Context(), `select pgq.insert_event('gone', 't', 'd')`)
	wantCode(t, err, "42704")
	b.run(b.own, `select pgq.create_queue('gone')`)
	b.run(b.own, `select pgq.insert_event('gone', 't', 'd')`)
	b.run(b.own, `update pgq.queue set queue_name = 'renamed' where queue_name = 'gone'`)
	b.run(b.own, `select pgq.insert_event('renamed', 't', 'd')`)
	_, err = b.own.Exec(t.Context(), `select pgq.insert_event('gone', 't', 'd')`)
	wantCode(t, err, "42704")
	if n := pgtest.One[int](b.t, b.own, `select count(*) from pgq.event_template`); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
}

// TestNamesSwapped: a text made of an old snapshot's names would send events
// of one queue into another.
func TestNamesSwapped(t *testing.T) {
	b := newBench(t)
	old := pgtest.Connect(t, b.dsn)
	b.run(old, `begin isolation level repeatable read`)
	b.run(old, `select count(*) from pgq.queue`)
	b.run(b.own, `update pgq.queue set queue_name = 'former' where queue_name = 'q'`)
	b.run(b.own, `select pgq.create_queue('q')`)
	b.run(old, `select pgq.create_queue('other')`)
	b.run(old, `commit`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'd')`)
	if in := pgtest.One[string](b.t, b.own, `select queue_name from pgq.queue, pgq.event_template e where e.tableoid = (queue_data_pfx || '_0')::regclass`); in != "q" {
		t.Errorf("the event is in %s", in)
	}
}

// TestAttachBesideRotation: whoever is attached while rotation looks for the
// slowest consumer still finds its tick.
func TestAttachBesideRotation(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `update pgq.queue set queue_rotation_period = '1 ms'`)
	b.run(b.own, `select skytools.set_queue_policy('q', 'backlog_max_age', '1 ms')`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'needed')`)
	b.tick()
	b.run(b.own, `select pg_sleep(0.02)`) // over the policy's age
	b.run(b.own, `select skytools.maint_backlog()`)
	if n := pgtest.One[int](b.t, b.own, `select count(*) from skytools.get_detached_consumers()`); n != 1 {
		t.Fatalf("%d consumers are detached", n)
	}
	b.rotate()
	b.run(b.own, `select pgq.insert_event('q', 't', 'later')`)
	b.tick()
	b.run(b.own, `select skytools.set_queue_policy('q', 'backlog_max_age', null)`)

	attaching, rotating := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(attaching, `begin`)
	b.run(attaching, `select skytools.attach_consumer('q', 'c')`)
	done := make(chan error, 1)
	go func() {
		_, err := rotating.Exec(t.Context(), `select pgq.maint_rotate_tables_step1('q')`)
		done <- err
	}()
	b.waits(rotating)
	b.run(attaching, `commit`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.wantData(b.drain(b.own, "c"), "needed", "later")
}

// TestRegisterBesideDetach: whoever registers while the consumer is detached is
// told so, and it never comes to have two positions.
func TestRegisterBesideDetach(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.create_queue('other'), pgq.register_consumer('other', 'c')`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'needed')`)
	b.tick()
	b.run(b.own, `select pg_sleep(0.02)`) // over the age
	const detach = `select skytools.detach_consumer(sub_queue, sub_id, '1 ms', null) from pgq.subscription where sub_queue = 1`
	detaching, registering := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(detaching, `begin`)
	if !pgtest.One[bool](b.t, detaching, detach) {
		t.Fatal("it was not detached")
	}
	done := make(chan error, 1)
	go func() {
		_, err := registering.Exec(t.Context(), `select pgq.register_consumer('q', 'c')`)
		done <- err
	}()
	b.waits(registering)
	b.run(detaching, `commit`)
	wantCode(t, <-done, "55000")

	b.run(b.own, `insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick) select 1, co_id, 1 from pgq.consumer`)
	_, err := b.own.Exec(t.Context(), `select skytools.attach_consumer('q', 'c')`)
	wantCode(t, err, "55000")
	b.run(b.own, `select pgq.unregister_consumer('q', 'c')`)

	// The other way round nobody is waited for.
	b.run(registering, `begin`)
	b.run(registering, `select skytools.attach_consumer('q', 'c')`)
	b.run(registering, `commit`)
	b.run(registering, `begin`)
	b.run(registering, `select 1 from pgq.consumer for no key update`)
	if pgtest.One[bool](b.t, detaching, detach) {
		t.Error("it was detached under a session that holds it")
	}
	b.run(registering, `rollback`)
	b.wantData(b.drain(b.own, "c"), "needed")
}

// TestManyQueues: each of many names, hostile ones too, finds its queue.
func TestManyQueues(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `create table names as select x as n from unnest(array['', 'Q', 'q ', 'it''s', '%s %L', 'back\\slash', 'ä', 'zz', '$1', 'a.b']) x
		union all select 'n' || g from generate_series(1, 30) g`)
	b.run(b.own, `select pgq.create_queue(n) from names`)
	b.run(b.own, `select pgq.insert_event(n, 't', n) from names`)
	b.run(b.own, `select skytools.insert_events(n, '{t,t}', array[n, n]) from names`)
	if wrong := pgtest.Column[string](t, b.own, `select n from names where 3 <> (select count(*) from pgq.event_template e join pgq.queue q on q.queue_name = n
			where e.tableoid = (q.queue_data_pfx || '_0')::regclass and e.ev_data = n)`); len(wrong) > 0 {
		t.Errorf("queues without their events: %q", wrong)
	}
	if slow := pgtest.One[string](b.t, b.own, `select prosrc from pg_proc where proname = 'event_insert'`); strings.Count(slow, "_insert(") != 41 {
		t.Errorf("event_insert knows %d queues", strings.Count(slow, "_insert("))
	}
}

// TestRepeatableReadWriterAcrossRotations is the hole of upstream: the writer
// chooses the event table by a snapshot older than the switch, while its
// transaction id, and so its events, are younger. insert_event chooses by a
// plan, which stays while the transaction takes no lock that is new to it.
func TestRepeatableReadWriterAcrossRotations(t *testing.T) {
	for name, insert := range map[string]string{
		"snapshot": `select skytools.insert_events('q', '{t}', array[$1])`,
		"plan":     `select pgq.insert_event('q', 't', $1)`,
	} {
		t.Run(name, func(t *testing.T) { lateWriter(t, insert) })
	}
}

func lateWriter(t *testing.T, insert string) {
	b := newBench(t)
	writer := pgtest.Connect(t, b.dsn)
	b.run(writer, insert, "first")
	b.run(writer, `begin isolation level repeatable read`)
	b.run(writer, `select count(*) from pgq.queue`) // its snapshot sees table 0 as the current one

	b.tick()
	b.wantData(b.drain(b.own, "c"), "first")
	b.rotate() // to table 1
	b.tick()
	b.drain(b.own, "c")
	b.rotate() // to table 2
	b.tick()
	b.drain(b.own, "c")
	b.run(writer, insert, "late")
	b.run(writer, `commit`)
	if in := pgtest.One[string](b.t, b.own, `select tableoid::regclass::text from pgq.event_1 where ev_data = 'late'`); in != "pgq.event_1_0" {
		t.Fatalf("the writer wrote into %s: the case does not arise", in)
	}

	late := pgtest.One[int64](b.t, b.own, `select ev_txid from pgq.event_1 where ev_data = 'late'`)

	// The next table is the writer's: it must not be emptied.
	b.rotate()
	if cur := pgtest.One[int](b.t, b.own, `select queue_cur_table from pgq.queue`); cur != 2 {
		t.Fatalf("rotated to table %d although its event is needed", cur)
	}
	b.tick()
	b.wantData(b.drain(b.own, "c"), "late")
	b.tick()
	b.drain(b.own, "c")
	b.rotate()
	if cur := pgtest.One[int](b.t, b.own, `select queue_cur_table from pgq.queue`); cur != 0 {
		t.Fatalf("current table is %d: read, the event still blocks rotation", cur)
	}
	if n := pgtest.One[int](b.t, b.own, `select count(*) from pgq.tick where not txid_visible_in_snapshot($1, tick_snapshot)`, late); n > 0 {
		t.Errorf("%d ticks are left that a consumer could go back to although the event after them is gone", n)
	}
}

// TestThinningMeetsReaders: a tick that some transaction is about to point at
// is not deleted meanwhile.
func TestThinningMeetsReaders(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.register_consumer('q', 'd'), skytools.claim('q', 'd', '', 0, '', '', 1)`)
	for range 6 {
		b.tick()
	}
	b.run(b.own, `update pgq.tick set tick_time = date_trunc('second', now()) - interval '2 hours'`)
	reader := pgtest.Connect(t, b.dsn)
	b.run(reader, `begin`)
	for _, call := range []string{`pgq.next_batch('q', 'c')`, `pgq.register_consumer_at('q', 'new', 3)`, `skytools.ack('q', 'd', 4, 1)`} {
		b.run(reader, `select `+call)
	}
	b.run(b.own, `select skytools.maint_thin_ticks('q')`)
	b.run(reader, `commit`)
	if left := pgtest.One[string](b.t, b.own, `select string_agg(tick_id::text, ' ' order by tick_id) from pgq.tick`); left != "1 2 3 4 7" {
		t.Errorf("ticks left: %s, want 1 2 3 4 and the last one", left)
	}
}

// TestRotationWaitsForSlowReader: no table is emptied while a consumer or an
// open cursor needs it, and ticks that are pointed at stay.
func TestRotationWaitsForSlowReader(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.register_consumer('q', 'slow')`)
	reader := pgtest.Connect(t, b.dsn)
	var want []string
	for i := range 6 {
		data := fmt.Sprint("e", i)
		want = append(want, data)
		b.run(b.own, `select pgq.insert_event('q', 't', $1)`, data)
		b.tick()
		b.drain(b.own, "c")
		b.rotate()
	}
	b.wantData(b.drain(reader, "slow"), want...)

	// The reader holds a batch open in a transaction of its own.
	b.run(b.own, `select pgq.insert_event('q', 't', 'last')`)
	b.tick()
	b.drain(b.own, "c")
	batch := pgtest.One[int64](b.t, reader, `select pgq.next_batch('q', 'slow')`)
	b.run(reader, `begin`)
	b.run(reader, `select * from pgq.get_batch_cursor($1, 'cur', 0)`, batch)
	for range 4 {
		b.rotate()
	}
	b.wantData(pgtest.Column[string](t, reader, `select ev_data from pgq.get_batch_events($1)`, batch), "last")
	b.run(reader, `commit`)
	b.run(reader, `select pgq.finish_batch($1)`, batch)
}

// TestTwoTickersAtOnce: ticks are made by several sessions while writers
// commit; every tick covers the one before, and each event is read once.
func TestTwoTickersAtOnce(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var mu sync.Mutex
	var written []string
	g := new(errgroup.Group)
	for w := range 3 {
		conn := pgtest.Connect(t, b.dsn)
		g.Go(func() error {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for i := 0; ctx.Err() == nil; i++ {
				data := fmt.Sprintf("%d-%d", w, i)
				tx, err := conn.Begin(t.Context())
				if err != nil {
					return err
				}
				if _, err = tx.Exec(t.Context(), `select pgq.insert_event('q', 't', $1)`, data); err != nil {
					return err
				}
				if r.IntN(4) == 0 {
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
				if r.IntN(10) == 0 {
					err = tx.Rollback(t.Context())
				} else if err = tx.Commit(t.Context()); err == nil {
					mu.Lock()
					written = append(written, data)
					mu.Unlock()
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, call := range []string{`select skytools.tick_write(1)`, `select pgq.force_tick('q'); select pgq.ticker()`, `select pgq.ticker('q')`} {
		conn := pgtest.Connect(t, b.dsn)
		g.Go(func() error {
			for ctx.Err() == nil {
				if _, err := conn.Exec(t.Context(), call); err != nil {
					return fmt.Errorf("%s: %w", call, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	b.tick()
	bad := pgtest.One[int](b.t, b.own, `select count(*) from (select tick_snapshot as s, lag(tick_snapshot) over (order by tick_id) as before from pgq.tick) t
		where not skytools.snapshot_covers(s, before)`)
	if bad != 0 {
		t.Errorf("%d ticks do not cover the one before", bad)
	}
	t.Logf("%d ticks, %d events", pgtest.One[int](b.t, b.own, `select count(*) from pgq.tick`), len(written))
	b.wantData(b.drain(b.own, "c"), written...)
}

// TestTickWaitsForLock: a session that already has a snapshot waits for the
// lock and then sees what was committed meanwhile.
func TestTickWaitsForLock(t *testing.T) {
	b := newBench(t)
	holder, ticker := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(holder, `begin`)
	b.run(holder, `select skytools.tick_lock(1)`)
	done := make(chan error, 1)
	go func() {
		_, err := ticker.Exec(t.Context(), `select skytools.tick_write(1)`)
		done <- err
	}()
	waiting := `select exists (select from pg_locks where locktype = 'advisory' and not granted)`
	for deadline := time.Now().Add(20 * time.Second); !pgtest.One[bool](b.t, b.own, waiting); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the ticker does not wait for the lock")
		}
	}
	b.run(b.own, `select pgq.insert_event('q', 't', 'meanwhile')`)
	b.run(holder, `select skytools.tick_write(1)`)
	b.run(holder, `commit`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.wantData(b.drain(b.own, "c"), "meanwhile")
}

// TestTickUnderHeldTransactions: events of transactions that were open over
// several ticks come when they end, once, however many ticks passed.
func TestTickUnderHeldTransactions(t *testing.T) {
	b := newBench(t)
	var open []*pgx.Conn
	for i := range 3 {
		conn := pgtest.Connect(t, b.dsn)
		b.run(conn, `begin`)
		b.run(conn, `select pgq.insert_event('q', 't', $1)`, fmt.Sprint("held", i))
		open = append(open, conn)
		b.tick()
		b.run(b.own, `select pgq.insert_event('q', 't', $1)`, fmt.Sprint("short", i))
	}
	b.tick()
	b.wantData(b.drain(b.own, "c"), "short0", "short1", "short2")
	b.run(open[1], `commit`)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "held1")
	b.run(open[0], `rollback`)
	b.tick()
	b.wantData(b.drain(b.own, "c"))
	b.run(open[2], `commit`)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "held2")
}

// TestTickInWritersTransaction: a tick made by a transaction that wrote before
// and after it loses neither event, whoever commits meanwhile.
func TestTickInWritersTransaction(t *testing.T) {
	b := newBench(t)
	writer := pgtest.Connect(t, b.dsn)
	b.run(writer, `begin`)
	b.run(writer, `select pgq.insert_event('q', 't', 'before')`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'other')`) // a later id, done: the server calls the writer's done too
	b.run(writer, `select skytools.tick_write(1)`)
	b.run(writer, `select pgq.insert_event('q', 't', 'after')`)
	b.run(writer, `commit`)
	first := pgtest.One[int64](b.t, b.own, `select pgq.next_batch('q', 'c')`)
	b.wantData(pgtest.Column[string](t, b.own, `select ev_data from pgq.get_batch_events($1)`, first), "other")
	b.run(b.own, `select pgq.finish_batch($1)`, first)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "before", "after")
}

// TestOldSnapshotsRefused: neither a tick nor a rotation is made with the
// snapshot of a REPEATABLE READ transaction.
func TestOldSnapshotsRefused(t *testing.T) {
	b := newBench(t)
	for _, call := range []string{`select skytools.tick_write(1)`, `select skytools.empty_event_table('pgq.event_1_1', null)`} {
		tx, err := b.own.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), call)
		wantCode(t, err, "25001")
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
