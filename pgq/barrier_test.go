package pgq

import (
	"context"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

// barrier makes one and returns its tick and the transaction that sees it.
func barrier(t testing.TB, dsn, consumer string, keep time.Duration) (TickID, pgx.Tx) {
	t.Helper()
	snap, err := pgtest.Connect(t, dsn).BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	id, err := SetBarrier(t.Context(), pgtest.Connect(t, dsn), snap, queue, Barrier{"compare", consumer}, keep)
	if err != nil {
		t.Fatal(err)
	}
	return id, snap
}

func TestReaderStopsAtBarriers(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	r := NewReader(conn, queue)
	first := last(t, conn)
	var bars []TickID
	for _, consumer := range []string{"one", ""} {
		write(t, conn, 3)
		makeTick(t, conn)
		write(t, conn, 3)
		id, _ := barrier(t, dsn, consumer, time.Minute)
		bars = append(bars, id)
	}
	write(t, conn, 3)
	end := makeTick(t, conn)

	next := func(what string, from Tick, want TickID, concerned ...string) Tick {
		t.Helper()
		got, more, err := r.Next(t.Context(), from, 1000)
		if err != nil || !more || got.ID != want {
			t.Fatalf("%s: tick %d (%v, %v), want %d", what, got.ID, more, err, want)
		}
		again, err := r.Tick(t.Context(), got.ID)
		if err != nil || again.Barrier != got.Barrier {
			t.Errorf("%s: barrier %v, read by its number %v: %v", what, got.Barrier, again.Barrier, err)
		}
		for _, consumer := range []string{"one", "two"} {
			is := false
			for _, c := range concerned {
				is = is || c == consumer
			}
			if got.Barrier.Concerns(consumer) != is {
				t.Errorf("%s: barrier %v for consumer %s", what, got.Barrier, consumer)
			}
		}
		return got
	}
	at := next("to the first", first, bars[0], "one")
	at = next("to the second", at, bars[1], "one", "two")
	next("to the end", at, end.ID)

	// Ticks of one old second are thinned, but not the barrier's, and a search
	// among old ones finds it.
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = date_trunc('second', now()) - interval '1 hour' + tick_id * interval '1 ms'
		where tick_id > $1`, int64(first.ID))
	pgtest.Exec(t, conn, `select skytools.maint_thin_ticks($1)`, queue)
	next("among old ticks", first, bars[0], "one")

	if kept, err := KeepBarrier(t.Context(), conn, queue, bars[0], time.Hour); err != nil || !kept {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if kept, err := KeepBarrier(t.Context(), conn, queue, bars[0], 0); err != nil || !kept {
		t.Errorf("ended: %v, %v", kept, err)
	}
	next("the first has ended", first, bars[1], "one", "two")
	pgtest.Exec(t, conn, `update skytools.barrier set until = now() - interval '1 second'`)
	if kept, err := KeepBarrier(t.Context(), conn, queue, bars[1], time.Hour); err != nil || kept {
		t.Errorf("one that had ended was kept: %v, %v", kept, err)
	}
	next("the second is over", first, end.ID)
	pgtest.Exec(t, conn, `select skytools.maint_purge()`)
	pgtest.Exec(t, conn, `select skytools.maint_thin_ticks($1)`, queue)
	left := pgtest.One[int](t, conn, `select (select count(*) from pgq.tick where tick_id = any ($1)) + (select count(*) from skytools.barrier)`, bars)
	if left != 0 {
		t.Errorf("%d ticks or barriers were left", left)
	}
}

// TestBarrierIsExact: what a barrier's transaction sees is what batches up to
// its tick hold, while writers commit and others tick.
func TestBarrierIsExact(t *testing.T) {
	t.Run("ours", func(t *testing.T) { exactBarriers(t, database(t), `select skytools.tick($1)`) })
	t.Run("extension", func(t *testing.T) {
		s := pgtest.Server(t)
		pgtest.RequireExtension(t, s, "pgq", "apt-get install postgresql-15-pgq3")
		dsn := pgtest.Database(t, s, nil)
		pgtest.Exec(t, pgtest.Admin(t, s, pgtest.DBName(t, dsn)), `create extension pgq; grant pgq_admin to app`)
		conn := pgtest.Connect(t, dsn)
		if _, err := schema.Install(t.Context(), conn, schema.Options{}); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, conn, `select pgq.create_queue($1), pgq.set_queue_config($1, 'ticker_max_count', '2')`, queue)
		// As pgqd does: under no lock of ours.
		exactBarriers(t, dsn, `select pgq.ticker($1)`)
	})
}

func exactBarriers(t *testing.T, dsn, tick string) {
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `create table seen (n int)`)
	r := NewReader(conn, queue)
	prev := last(t, conn) // before anybody writes
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	for w := range 5 {
		c := pgtest.Connect(t, dsn)
		rnd := rand.New(rand.NewSource(int64(w)))
		work.Go(func() {
			for n := w; ctx.Err() == nil; n += 5 {
				sql := fmt.Sprintf(`begin; insert into seen values (%d); select pgq.insert_event('%s', 't', '%d');
					select pg_sleep(%f); commit`, n, queue, n, rnd.Float64()/500)
				if w == 4 {
					sql = `do $$ begin perform ` + fmt.Sprintf(tick[len("select "):len(tick)-3]+`'%s')`, queue) + `; end $$`
				}
				if _, err := c.Exec(ctx, sql); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", sql, err)
					return
				}
			}
		})
	}
	var events, sum, bars int
	lock, other := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	for range 60 {
		snap, err := other.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			t.Fatal(err)
		}
		id, err := SetBarrier(ctx, lock, snap, queue, Barrier{Kind: "compare"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for prev.ID < id {
			cur, _, err := r.Next(ctx, prev, 100_000)
			if err != nil {
				t.Fatal(err)
			}
			if prev.ID < id && cur.ID > id {
				t.Fatalf("from tick %d to %d, past the barrier at %d", prev.ID, cur.ID, id)
			}
			_, data := read(t, r, prev, cur)
			for _, d := range data {
				var n int
				if _, err := fmt.Sscan(d, &n); err == nil {
					events, sum = events+1, sum+n
				}
			}
			prev = cur
		}
		var rows, rowSum int
		if err := snap.QueryRow(ctx, `select count(*), coalesce(sum(n), 0) from seen`).Scan(&rows, &rowSum); err != nil {
			t.Fatal(err)
		}
		if rows != events || rowSum != sum {
			t.Fatalf("tick %d: %d events (sum %d) up to it, %d rows (sum %d) in its snapshot", id, events, sum, rows, rowSum)
		}
		bars++
		if err := snap.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if events < 60 {
		t.Fatalf("%d events in %d barriers: the test shows nothing", events, bars)
	}
}
