package pgq

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

const consumer = "c"

type traceKey struct{}

// basket is what a consumer's handler has got.
type basket struct {
	mu     sync.Mutex
	events []Event
}

func (g *basket) add(ev Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, ev)
}

// data lists the events' data, in the order of their coming.
func (g *basket) data() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, ev := range g.events {
		all = append(all, string(ev.Data))
	}
	return all
}

// types lists the events' types, sorted.
func (g *basket) types() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, ev := range g.events {
		all = append(all, ev.Type)
	}
	slices.Sort(all)
	return all
}

// handle is the plain handler.
func (g *basket) handle(ctx context.Context, b *Batch) error {
	for ev, err := range b.Events(ctx) {
		if err != nil {
			return err
		}
		g.add(ev)
	}
	return nil
}

// registered is a database whose consumer stands at the last tick.
func registered(t testing.TB) (dsn string, conn *pgx.Conn) {
	t.Helper()
	dsn = database(t)
	conn = pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, $2)`, queue, consumer)
	return dsn, conn
}

// open is the consumer's open batch, 0 for none.
func openBatch(t testing.TB, conn *pgx.Conn) int64 {
	t.Helper()
	return pgtest.One[int64](t, conn, `select coalesce(max(sub_batch), 0) from pgq.subscription`)
}

// TestConsumerDelivers: all fields, in order, from the tick of the registration
// on, woken by the ticker's notification alone.
func TestConsumerDelivers(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	write(t, conn, 3) // nobody is there for these
	makeTick(t, conn)
	startTicker(t, dsn)
	var got basket
	c := &Consumer{
		Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Register: true, Poll: time.Hour,
		Trace: func(ctx context.Context, carrier string) context.Context {
			return context.WithValue(ctx, traceKey{}, carrier)
		},
	}
	traced := make(chan any, 10)
	pgtest.Start(t, "consumer", func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context, b *Batch) error {
			if b.Queue != queue || b.ID == 0 || b.Cur.ID <= b.Prev.ID {
				return Permanent(fmt.Errorf("batch %+v", b))
			}
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				got.add(ev)
				traced <- b.Context(ctx, ev).Value(traceKey{})
			}
			return nil
		})
	})
	pgtest.Eventually(t, 5*time.Second, "registered", func() bool { return pgtest.One[int](t, conn, `select count(*)::int from pgq.subscription`) == 1 })
	p := &Producer{Queue: queue, Trace: func(context.Context) string { return "00-trace-01" }}
	sent := Event{Type: "a", Data: []byte("1"), Extra1: []byte("e1"), Extra2: []byte{}, Extra3: []byte("e3")}
	before := time.Now().Add(-time.Second)
	id, err := p.Insert(t.Context(), conn, sent)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 5*time.Second, "the event comes by notification", func() bool { return len(got.data()) == 1 })
	ev := got.events[0]
	if ev.ID != id || ev.Type != "a" || string(ev.Data) != "1" || string(ev.Extra1) != "e1" || ev.Extra2 == nil ||
		len(ev.Extra2) != 0 || string(ev.Extra3) != "e3" || string(ev.Extra4) != "00-trace-01" || ev.Retry != 0 ||
		ev.Time.Before(before) || ev.Time.After(time.Now().Add(time.Second)) || ev.TxID == 0 {
		t.Errorf("got %+v", ev)
	}
	if v := <-traced; v != "00-trace-01" {
		t.Errorf("traced %v", v)
	}
	if _, err := p.InsertMany(t.Context(), conn, []Event{{Data: []byte("2")}, {Extra4: []byte("own")}}); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 5*time.Second, "more come", func() bool { return len(got.data()) == 3 })
	if got.events[2].Data != nil || string(got.events[2].Extra4) != "own" {
		t.Errorf("NULL came as %q", got.events[2].Data)
	}
}

// TestConsumerStops: closing Stop lets the batch in hand be finished, the end of
// the context breaks it off; idle, both end the wait at once.
func TestConsumerStops(t *testing.T) {
	dsn, conn := registered(t)
	write(t, conn, 2)
	makeTick(t, conn)
	stop := make(chan struct{})
	var got basket
	run := func(ctx context.Context, in func(context.Context)) {
		t.Helper()
		c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop, Poll: time.Hour}
		err := c.Run(ctx, func(ctx context.Context, b *Batch) error {
			in(ctx)
			return got.handle(ctx, b)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	run(ctx, func(ctx context.Context) { cancel(); <-ctx.Done() })
	if n := len(got.data()); n != 0 || openBatch(t, conn) == 0 {
		t.Fatalf("broken off, %d events came, batch %d is open", n, openBatch(t, conn))
	}
	run(t.Context(), func(context.Context) { close(stop) })
	if n := len(got.data()); n != 2 || openBatch(t, conn) != 0 {
		t.Fatalf("stopped, %d events came, batch %d is open", n, openBatch(t, conn))
	}
	for _, end := range []string{"stop", "context"} {
		stop = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, func() {
			if end == "stop" {
				close(stop)
			} else {
				cancel()
			}
		})
		begin := time.Now()
		run(ctx, func(context.Context) { t.Error("a batch out of nothing") })
		cancel()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: ended after %v", end, took)
		}
	}
}

// TestConsumerFails: whatever goes wrong in a handler, the batch comes again,
// whole.
func TestConsumerFails(t *testing.T) {
	dsn, conn := registered(t)
	write(t, conn, 3)
	makeTick(t, conn)
	var got basket
	tries, stop := 0, make(chan struct{})
	j := &pgtest.Journal{}
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop, Log: j.Logger()}
	err := c.Run(t.Context(), func(ctx context.Context, b *Batch) error {
		switch tries++; tries {
		case 1:
			return errors.New("broken before")
		case 2: // amid the reading
			for range b.Events(ctx) {
				return errors.New("broken amid")
			}
		case 3: // after it, with a wish that must be forgotten
			for ev := range b.Events(ctx) {
				b.Retry(ev, 0)
			}
			return errors.New("broken after")
		case 4: // content too early
			for range b.Events(ctx) {
				break
			}
			return nil
		case 5: // error overlooked
			short, cancel := context.WithCancel(ctx)
			cancel()
			for range b.Events(short) { // the body is never reached: the loop's error is what the handler overlooks
			}
			return nil
		case 6: // the connection is lost while it works
			pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
			return got.handle(ctx, b)
		case 7:
			close(stop)
		}
		return got.handle(ctx, b)
	})
	if err != nil {
		t.Fatal(err)
	}
	if data := got.data(); tries != 7 || !slices.Equal(data, []string{"data 1", "data 2", "data 3"}) || openBatch(t, conn) != 0 {
		t.Errorf("%d tries, got %q, batch %d is open", tries, data, openBatch(t, conn))
	}
	for _, text := range []string{"broken before", "broken amid", "broken after", "not read to its end", "context canceled"} {
		if j.Count(text) != 1 {
			t.Errorf("%q stands %d times in the log", text, j.Count(text))
		}
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.retry_queue`); n != 0 {
		t.Errorf("%d events are to be retried, whose batch failed", n)
	}
}

// TestConsumerForgetsNoEnd: the session is lost between the handler's end and
// the batch's; the batch is ended by the next one, and not delivered again.
func TestConsumerForgetsNoEnd(t *testing.T) {
	dsn, conn := registered(t)
	write(t, conn, 3)
	makeTick(t, conn)
	var got basket
	stop := make(chan struct{})
	killer := pgtest.Connect(t, dsn)
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	c.Database.RuntimeParams["application_name"] = "consumer"
	pgtest.Start(t, "consumer", func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context, b *Batch) error {
			if err := got.handle(ctx, b); err != nil {
				return err
			}
			b.Retry(got.events[1], time.Hour)
			pgtest.Exec(t, killer, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'consumer'`)
			return nil
		})
	})
	pgtest.Eventually(t, 10*time.Second, "the batch ends", func() bool {
		return pgtest.One[bool](t, conn, `select sub_last_tick = (select max(tick_id) from pgq.tick) from pgq.subscription`)
	})
	close(stop)
	if n := len(got.data()); n != 3 {
		t.Errorf("%d events came of 3", n)
	}
	if due := pgtest.Column[string](t, conn, `select ev_data from pgq.retry_queue`); !slices.Equal(due, []string{"data 2"}) {
		t.Errorf("to be retried: %q", due)
	}
}

// TestConsumerReturns: what no waiting mends ends Run.
func TestConsumerReturns(t *testing.T) {
	dsn, conn := registered(t)
	mine := errors.New("mine")
	write(t, conn, 1)
	makeTick(t, conn)
	run := func(change func(*Consumer)) error {
		c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer}
		change(c)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return c.Run(ctx, func(context.Context, *Batch) error { return Permanent(mine) })
	}
	for what, c := range map[string]struct {
		want   error
		change func(*Consumer)
	}{
		"handler":             {mine, func(*Consumer) {}},
		"queue":               {ErrConsumerNotFound, func(c *Consumer) { c.Queue = "nowhere" }},
		"consumer":            {ErrConsumerNotFound, func(c *Consumer) { c.Name = "nobody" }},
		"queue to register":   {ErrQueueNotFound, func(c *Consumer) { c.Queue, c.Register = "nowhere", true }},
		"database without it": {ErrNotInstalled, func(c *Consumer) { c.Database.Database = "postgres" }},
	} {
		if err := run(c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if err := run(func(c *Consumer) { c.Database.Database = "missing" }); err == nil {
		t.Error("a database that is not there")
	}
	pgtest.Exec(t, conn, `delete from pgq.tick where tick_id = (select sub_last_tick from pgq.subscription)`)
	pgtest.Exec(t, conn, `update pgq.subscription set sub_batch = null, sub_next_tick = null`)
	if err := run(func(*Consumer) {}); !errors.Is(err, ErrPositionLost) {
		t.Errorf("tick gone: %v", err)
	}
}

// TestConsumerRetry: an event that is to come again does, for this consumer
// alone, once for each wish; the last wish counts.
func TestConsumerRetry(t *testing.T) {
	dsn, conn := registered(t)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'other')`, queue)
	write(t, conn, 4)
	makeTick(t, conn)
	stop := make(chan struct{})
	var got, other basket
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	pgtest.Start(t, "consumer", func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context, b *Batch) error {
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				got.add(ev)
				switch data := string(ev.Data); {
				case data == "data 1" && ev.Retry < 2:
					b.Retry(ev, time.Hour)
					b.Retry(ev, 0)
				case data == "data 3" && ev.Retry == 0:
					b.Retry(ev, 10*time.Millisecond)
				}
			}
			return nil
		})
	})
	pgtest.Start(t, "other", func(ctx context.Context) error {
		return (&Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: "other", Stop: stop}).Run(ctx, other.handle)
	})
	pgtest.Eventually(t, 20*time.Second, "retried", func() bool {
		pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
		makeTick(t, conn)
		return len(got.data()) >= 7
	})
	for range 3 {
		pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
		makeTick(t, conn)
	}
	at := pgtest.One[int64](t, conn, `select max(tick_id) from pgq.tick`)
	pgtest.Eventually(t, 10*time.Second, "both are through", func() bool {
		return pgtest.One[int64](t, conn, `select min(sub_last_tick) from pgq.subscription`) >= at
	})
	close(stop)
	times := map[string]int{}
	for _, ev := range got.events {
		if ev.Retry != times[string(ev.Data)] {
			t.Errorf("%s came with %d retries for the %d. time", ev.Data, ev.Retry, times[string(ev.Data)]+1)
		}
		times[string(ev.Data)]++
	}
	if times["data 1"] != 3 || times["data 2"] != 1 || times["data 3"] != 2 || times["data 4"] != 1 {
		t.Errorf("came %v times", times)
	}
	if n := len(other.data()); n != 4 {
		t.Errorf("the other consumer got %d events", n)
	}
}

// TestConsumerDeadLetters: what a handler gives up, and what came as often as the
// queue allows, lies in the dead letters with its reason, and comes again when it
// is replayed.
func TestConsumerDeadLetters(t *testing.T) {
	dsn, conn := registered(t)
	pgtest.Exec(t, conn, `select skytools.set_queue_policy($1, 'max_attempts', '2')`, queue)
	write(t, conn, 3)
	makeTick(t, conn)
	stop := make(chan struct{})
	var got basket
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	pgtest.Start(t, "consumer", func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context, b *Batch) error {
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				got.add(ev)
				switch string(ev.Data) {
				case "data 1":
					b.Retry(ev, 0)
				case "data 2":
					b.Retry(ev, 0)
					b.Dead(ev, "no such thing")
				}
			}
			return nil
		})
	})
	dead := func() []string {
		return pgtest.Column[string](t, conn, `select concat_ws(' ', dead_reason, ev_data) from skytools.dead_event order by ev_data`)
	}
	pgtest.Eventually(t, 20*time.Second, "two are dead", func() bool {
		pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
		makeTick(t, conn)
		return len(dead()) == 2
	})
	if list := dead(); list[1] != "no such thing data 2" || len(got.data()) != 4 {
		t.Errorf("dead %q, came %q", list, got.data())
	}
	close(stop)
}

// TestConsumerHoldsNoBatch: a batch of some 100 MB passes through a process
// that never has a tenth of it.
func TestConsumerHoldsNoBatch(t *testing.T) {
	dsn, conn := registered(t)
	const events = 100_000
	pgtest.Exec(t, conn, `insert into pgq.event_1_0 (ev_time, ev_data) select now(), repeat('x', 1000) || i from generate_series(1, $1::int) i`, events)
	makeTick(t, conn)
	stop := make(chan struct{})
	n, most := 0, uint64(0)
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	before := mem.HeapAlloc
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	err := c.Run(t.Context(), func(ctx context.Context, b *Batch) error {
		close(stop)
		for ev, err := range b.Events(ctx) {
			if err != nil {
				return err
			}
			if n++; string(ev.Data[1000:]) != strconv.Itoa(n) {
				return Permanent(fmt.Errorf("event %d is %s", n, ev.Data[1000:]))
			}
			if n%10_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&mem)
				most = max(most, mem.HeapAlloc-min(before, mem.HeapAlloc))
			}
		}
		return nil
	})
	if err != nil || n != events || most > 10<<20 {
		t.Errorf("%d events, %d bytes, %v", n, most, err)
	}
}

// TestConsumerCatchesUp: of many ticks that wait, many make one batch.
func TestConsumerCatchesUp(t *testing.T) {
	dsn, conn := registered(t)
	const ticks = 200
	for range ticks {
		write(t, conn, 100)
		makeTick(t, conn)
	}
	stop := make(chan struct{})
	batches, events := 0, 0
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	err := c.Run(t.Context(), func(ctx context.Context, b *Batch) error {
		batches++
		for _, err := range b.Events(ctx) {
			if err != nil {
				return err
			}
			if events++; events == ticks*100 {
				close(stop)
			}
		}
		return nil
	})
	if err != nil || events != ticks*100 || batches > 12 {
		t.Errorf("%d events in %d batches, %v", events, batches, err)
	}
}

// TestConsumerSortsAnew: a batch that was told as it lies, until an event
// came that belongs before the first, is delivered again in order.
func TestConsumerSortsAnew(t *testing.T) {
	dsn, conn := registered(t)
	pgtest.Exec(t, conn, `select pgq.insert_event_raw($1, i, now(), null, null, 't', 'd', null, null, null, null) from generate_series(200001, 230000) i`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event_raw($1, 100000, now(), null, null, 't', 'd', null, null, null, null)`, queue)
	makeTick(t, conn)
	stop := make(chan struct{})
	var tries [][]EventID
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop}
	err := c.Run(t.Context(), func(ctx context.Context, b *Batch) error {
		var ids []EventID
		for ev, err := range b.Events(ctx) {
			if err != nil {
				tries = append(tries, ids)
				return fmt.Errorf("handler: %w", err)
			}
			ids = append(ids, ev.ID)
		}
		tries = append(tries, ids)
		close(stop)
		return nil
	})
	if err != nil || len(tries) != 2 {
		t.Fatalf("%d tries, %v", len(tries), err)
	}
	if first := tries[0]; len(first) > 30000 || len(first) > 0 && first[0] != 200001 {
		t.Errorf("told first: %d events", len(first))
	}
	if ids := tries[1]; len(ids) != 30001 || ids[0] != 100000 || !slices.IsSorted(ids) {
		t.Errorf("told at last: %d events, in order %v", len(ids), slices.IsSorted(ids))
	}
}

// TestConsumerOverExtension: batches, retries and their ends by the functions
// that the real extension has.
func TestConsumerOverExtension(t *testing.T) {
	s := pgtest.Server(t)
	pgtest.RequireExtension(t, s, "pgq", "apt-get install postgresql-NN-pgq3")
	admin := pgtest.Admin(t, s, pgtest.DBName(t, pgtest.Database(t, s, nil)))
	pgtest.Exec(t, admin, `create extension pgq`)
	pgtest.Exec(t, admin, `select pgq.create_queue($1)`, queue)
	pgtest.Exec(t, admin, `select pgq.register_consumer($1, $2)`, queue, consumer)
	pgtest.Exec(t, admin, `select pgq.register_consumer($1, 'other')`, queue)
	write(t, admin, 3)
	tick := func() {
		pgtest.Exec(t, admin, `select pgq.maint_retry_events()`)
		pgtest.Exec(t, admin, `select pgq.force_tick($1)`, queue)
		pgtest.Exec(t, admin, `select pgq.ticker($1)`, queue)
	}
	stop := make(chan struct{})
	var got basket
	c := &Consumer{Database: admin.Config(), Queue: queue, Name: consumer, Stop: stop, Poll: 10 * time.Millisecond}
	pgtest.Start(t, "consumer", func(ctx context.Context) error {
		return c.Run(ctx, func(ctx context.Context, b *Batch) error {
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				if got.add(ev); string(ev.Data) == "data 2" && ev.Retry == 0 {
					b.Retry(ev, 0)
				}
			}
			return nil
		})
	})
	pgtest.Eventually(t, 10*time.Second, "all, and one again", func() bool { tick(); return len(got.data()) >= 4 })
	close(stop)
	if data := got.data(); !slices.Equal(data, []string{"data 1", "data 2", "data 3", "data 2"}) {
		t.Errorf("got %q", data)
	}
	other := &Consumer{Database: admin.Config(), Queue: queue, Name: "other"}
	if err := other.Run(t.Context(), func(ctx context.Context, b *Batch) error {
		for ev := range b.Events(ctx) {
			b.Dead(ev, "x")
		}
		return nil
	}); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("dead letters, which it has not: %v", err)
	}
}
