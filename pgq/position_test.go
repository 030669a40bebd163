package pgq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// target is a database that a consumer writes to.
func targetDatabase(t testing.TB) string {
	t.Helper()
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	pgtest.Exec(t, pgtest.Connect(t, dsn), `create table got (ev_id bigint, ev_retry int)`)
	return dsn
}

// writeDown is the handler; every fifth event is to come again.
func writeDown(ctx context.Context, tx pgx.Tx, b *Batch) error {
	for ev, err := range b.Events(ctx) {
		if err != nil {
			return err
		}
		if ev.ID%5 == 0 && ev.Retry == 0 {
			b.Retry(ev, 0)
		}
		if _, err := tx.Exec(ctx, `insert into got values ($1, $2)`, int64(ev.ID), ev.Retry); err != nil {
			return err
		}
	}
	return nil
}

// TestRunTxWritesOnce: two processes of one consumer, sessions killed on either
// side and commits that fail before or after they are made.
func TestRunTxWritesOnce(t *testing.T) {
	runTxOnce(t, make([]Consumer, 2))
}

// TestRunTxMembersWriteOnce: the same with members, who are taken for dead while
// they work.
func TestRunTxMembersWriteOnce(t *testing.T) {
	members := make([]Consumer, 4)
	for i := range members {
		members[i] = Consumer{Member: fmt.Sprint("m", i), DeadAfter: 100 * time.Millisecond}
	}
	conn := runTxOnce(t, members)
	if n := pgtest.One[int](t, conn, `select count(*)::int from skytools.coop_taken`); n < 3 {
		t.Errorf("%d batches were taken over: too few to show anything", n)
	}
}

func runTxOnce(t *testing.T, consumers []Consumer) *pgx.Conn {
	dsn, conn := registered(t)
	to := targetDatabase(t)
	target := pgtest.Connect(t, to)
	log := &pgtest.Journal{}
	var calm atomic.Bool
	t.Cleanup(func() {
		if _ = failpoint.Arm(""); t.Failed() {
			t.Log(log)
		}
	})
	for i := range consumers {
		c := &consumers[i]
		r := &reconnecting{cfg: pgtest.Config(t, to)}
		r.cfg.RuntimeParams["application_name"] = "victim"
		c.Database, c.Queue, c.Name, c.Poll = pgtest.Config(t, dsn), queue, consumer, 5*time.Millisecond
		c.Database.RuntimeParams["application_name"], c.Log = "victim", log.Logger()
		pgtest.Start(t, fmt.Sprint("consumer ", i), func(ctx context.Context) error {
			defer r.close()
			return c.RunTx(ctx, r, func(ctx context.Context, tx pgx.Tx, b *Batch) error {
				if c.Member != "" && b.ID%2 == 0 && !calm.Load() {
					time.Sleep(3 * c.DeadAfter) // outlives the others' patience
				}
				return writeDown(ctx, tx, b)
			})
		})
	}
	points := []string{"batch", "deliver", "finish"}
	var want []string
	for i := range 60 {
		ids, err := (&Producer{Queue: queue}).InsertMany(t.Context(), conn, make([]Event, 5))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			want = append(want, fmt.Sprint(id, " 0"))
			if id%5 == 0 {
				want = append(want, fmt.Sprint(id, " 1"))
			}
		}
		makeTick(t, conn)
		pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
		switch side := []string{"before", "after"}[i/3%2]; i % 6 {
		case 5:
			pgtest.Exec(t, target, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`)
		default:
			if err := failpoint.Arm(points[i%3] + "." + side + "-commit=error"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond) // the consumer gets on between two failures
	}
	calm.Store(true)
	if err := failpoint.Arm(""); err != nil {
		t.Fatal(err)
	}
	var got []string
	pgtest.Eventually(t, 30*time.Second, "all events", func() bool {
		makeTick(t, conn)
		pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
		got = pgtest.Column[string](t, target, `select ev_id || ' ' || ev_retry from got order by ev_id, ev_retry`)
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	return conn
}

// apply runs the consumer until it stands at the last tick.
func apply(t *testing.T, dsn, to string, handle TxHandler) error {
	t.Helper()
	conn := pgtest.Connect(t, dsn)
	at := last(t, conn).ID
	stop := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		defer close(stop)
		for ctx.Err() == nil {
			var through bool
			err := conn.QueryRow(ctx, `select sub_last_tick >= $1 and sub_batch is null from pgq.subscription`, int64(at)).Scan(&through)
			if err != nil || through {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	target := pgtest.Connect(t, to)
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Stop: stop, Poll: 5 * time.Millisecond}
	err := c.RunTx(ctx, target, handle)
	cancel()
	<-stop
	return err
}

// TestRunTxPosition: what the target has done counts, wherever the queue thinks
// that the consumer stands.
func TestRunTxPosition(t *testing.T) {
	dsn, conn := registered(t)
	to := targetDatabase(t)
	target := pgtest.Connect(t, to)
	plain := func(ctx context.Context, tx pgx.Tx, b *Batch) error {
		for ev, err := range b.Events(ctx) {
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `insert into got values ($1, 0)`, int64(ev.ID)); err != nil {
				return err
			}
		}
		return nil
	}
	ticks := []Tick{last(t, conn)}
	check := func(what string) {
		t.Helper()
		if err := apply(t, dsn, to, plain); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		want := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1`)
		n, distinct := pgtest.One[int](t, target, `select count(*)::int from got`), pgtest.One[int](t, target, `select count(distinct ev_id)::int from got`)
		if n != want || distinct != want {
			t.Fatalf("%s: %d events came, %d of them different, of %d", what, n, distinct, want)
		}
	}
	for range 4 {
		write(t, conn, 3)
		ticks = append(ticks, makeTick(t, conn))
	}
	check("all of it")
	move := func(to TickID) {
		pgtest.Exec(t, conn, `select pgq.register_consumer_at($1, $2, $3)`, queue, consumer, int64(to))
	}
	move(ticks[1].ID)
	check("moved back at the queue")

	// One batch of many ticks, that begins before the target's position.
	for range 60 {
		write(t, conn, 100)
		ticks = append(ticks, makeTick(t, conn))
	}
	move(ticks[0].ID)
	check("moved back, and many ticks wait")

	// The target as of an older backup.
	older := ticks[2]
	pgtest.Exec(t, target, `delete from got where ev_id > 6`)
	pgtest.Exec(t, target, `update pgq_position set tick_id = $1, tick_snapshot = $2`, int64(older.ID), older.Snapshot.String())
	write(t, conn, 1)
	makeTick(t, conn)
	check("target restored")

	// Its tick is gone.
	pgtest.Exec(t, target, `update pgq_position set tick_id = 1000000`)
	write(t, conn, 1)
	makeTick(t, conn)
	if err := apply(t, dsn, to, plain); !errors.Is(err, ErrPositionLost) {
		t.Errorf("a tick that the queue does not have: %v", err)
	}
	// Another queue, which comes to the same numbers.
	pgtest.Exec(t, target, `update pgq_position set tick_id = 3, tick_snapshot = '5:5:'`)
	pgtest.Exec(t, conn, `select pgq.drop_queue($1, true)`, queue)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, $2)`, queue, consumer)
	for range 4 {
		write(t, conn, 1)
		makeTick(t, conn)
	}
	before := pgtest.One[int](t, target, `select count(*)::int from got`)
	if err := apply(t, dsn, to, plain); !errors.Is(err, ErrPositionLost) {
		t.Errorf("another queue: %v", err)
	}
	if n := pgtest.One[int](t, target, `select count(*)::int from got`); n != before {
		t.Errorf("%d events of another queue were written", n-before)
	}
}

// TestRunTxEndsTheTransaction: a handler cannot commit without the position,
// and there is none without its table.
func TestRunTxEndsTheTransaction(t *testing.T) {
	dsn, conn := registered(t)
	to := targetDatabase(t)
	write(t, conn, 2)
	makeTick(t, conn)
	tries := 0
	err := apply(t, dsn, to, func(ctx context.Context, tx pgx.Tx, b *Batch) error {
		if tries++; tries == 1 {
			if err := writeDown(ctx, tx, b); err != nil {
				return err
			}
			return tx.Commit(ctx)
		}
		nested, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if err := writeDown(ctx, nested, b); err != nil {
			return err
		}
		return nested.Commit(ctx)
	})
	target := pgtest.Connect(t, to)
	if n := pgtest.One[int](t, target, `select count(*)::int from got`); err != nil || n != 2 || tries != 2 {
		t.Errorf("%d events after %d tries, %v", n, tries, err)
	}
	write(t, conn, 1)
	makeTick(t, conn)
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, PositionTable: "pg_catalog.position"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.RunTx(ctx, target, writeDown); hint.Of(err) == "" {
		t.Errorf("a position table that may not be made: %v", err)
	}
}
