package ticker

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
)

// TestEachEventInExactlyOneBatch: writers of all isolation levels with
// transactions of any length, rolled back ones and savepoints among them, two
// tickers, and rotation as fast as it goes. A consumer that follows must get
// every committed event once, and no other, in batches that begin where the
// last one ended.
func TestEachEventInExactlyOneBatch(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '1 millisecond'`)
	pgtest.Exec(t, conn, `insert into skytools.claim (queue_name, consumer_name, system_identifier, database_oid, database_name, node_name, epoch)
		values ($1, 'c', 'x', 1, 'x', 'x', 1)`, queue)
	position := last(t, conn)
	startTicker(t, dsn)
	startTicker(t, dsn)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var rotations atomic.Int64
	pgtest.Start(t, "rotation", func(ctx context.Context) error { return rotate(ctx, dsn, &rotations) })
	var work sync.WaitGroup
	committed := make([][]string, 6)
	failed := make([]error, len(committed))
	for i := range committed {
		work.Go(func() {
			w := writer{rnd: rand.New(rand.NewSource(seed + int64(i))), id: i, slow: i < 2}
			failed[i] = w.run(ctx, dsn, 4*time.Second)
			committed[i] = w.committed
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()

	got := map[string]int{}
	reader := pgq.NewReader(conn, queue)
	read := func(maxEvents int64) (bool, error) {
		next, more, err := reader.Next(ctx, position, maxEvents)
		if err != nil || !more {
			return false, err
		}
		before := pgq.EventID(0)
		err = reader.Stream(ctx, position, next, func(ev *pgq.RawEvent) error {
			got[string(ev.Data)]++
			if ev.ID <= before {
				return fmt.Errorf("event %d after %d", ev.ID, before)
			}
			before = ev.ID
			return nil
		})
		position = next
		if err == nil && next.ID%3 == 0 {
			_, err = conn.Exec(ctx, `select skytools.ack($1, 'c', $2, 1)`, queue, int64(next.ID))
		}
		return true, err
	}
	sizes := rand.New(rand.NewSource(seed))
	var quiet time.Time
	for quiet.IsZero() || time.Since(quiet) < time.Second {
		more, err := read(int64(sizes.Intn(200)))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			if quiet.IsZero() || more {
				quiet = time.Now()
			}
		default:
		}
		if !more {
			time.Sleep(3 * time.Millisecond) // between two looks for a tick
		}
	}
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, list := range committed {
		total += len(list)
		for _, data := range list {
			if n := got[data]; n != 1 {
				t.Errorf("event %s came %d times", data, n)
			}
			delete(got, data)
		}
	}
	if len(got) > 0 {
		t.Errorf("%d events that nobody committed, such as %v", len(got), got)
	}
	t.Logf("%d events, %d rotations, %d ticks", total, rotations.Load(), pgtest.One[int](t, conn, `select max(tick_id)::int from pgq.tick`))
	if total < 500 || rotations.Load() < 4 {
		t.Errorf("%d events, %d rotations: too few to show anything", total, rotations.Load())
	}
}

// rotate switches tables as often as they may be, and counts it.
func rotate(ctx context.Context, dsn string, count *atomic.Int64) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background()) // the test is over
	current := -1
	for ctx.Err() == nil {
		if _, err := conn.Exec(ctx, `select pgq.maint_rotate_tables_step1($1)`, queue); err != nil && ctx.Err() == nil {
			return err
		}
		if _, err := conn.Exec(ctx, `select pgq.maint_rotate_tables_step2()`); err != nil && ctx.Err() == nil {
			return err
		}
		var now int
		if err := conn.QueryRow(ctx, `select queue_cur_table from pgq.queue`).Scan(&now); err == nil && now != current {
			current = now
			count.Add(1)
		}
		loop.Sleep(ctx, 5*time.Millisecond, nil)
	}
	return nil
}

type writer struct {
	rnd       *rand.Rand
	id, nr    int
	slow      bool
	committed []string
}

func (w *writer) run(ctx context.Context, dsn string, length time.Duration) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background()) // the test is over
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := w.transaction(ctx, conn); err != nil {
			return fmt.Errorf("writer %d: %w", w.id, err)
		}
	}
	return nil
}

func (w *writer) transaction(ctx context.Context, conn *pgx.Conn) error {
	level := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}[w.rnd.Intn(3)]
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err != nil {
		return err
	}
	var mine []string
	pause := func() {
		most := 4
		if w.slow {
			most = 400 // outlives rotations
		}
		loop.Sleep(ctx, time.Duration(w.rnd.Intn(most))*time.Millisecond, nil)
	}
	if w.rnd.Intn(2) == 0 { // its snapshot is taken, its id is not
		if _, err := tx.Exec(ctx, `select 1`); err != nil {
			return err
		}
		pause()
	}
	for range 1 + w.rnd.Intn(4) {
		nested, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		w.nr++
		data := fmt.Sprintf("%d/%d", w.id, w.nr)
		if _, err := nested.Exec(ctx, `select pgq.insert_event($1, 't', $2)`, queue, data); err != nil {
			return err
		}
		if w.rnd.Intn(5) == 0 {
			err = nested.Rollback(ctx)
		} else {
			err = nested.Commit(ctx)
			mine = append(mine, data)
		}
		if err != nil {
			return err
		}
		pause()
	}
	if w.rnd.Intn(5) == 0 {
		return tx.Rollback(ctx)
	}
	w.committed = append(w.committed, mine...)
	return tx.Commit(ctx)
}
