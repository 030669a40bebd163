package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestEverythingAtOnce: writers, tickers, readers and two maintenances work on
// one queue; each consumer reads each committed event once.
func TestEverythingAtOnce(t *testing.T) {
	everythingAtOnce(newBench(t))
}

// TestLargeTransactionIDs: the same where ids need more than 32 bits.
func TestLargeTransactionIDs(t *testing.T) {
	everythingAtOnce(newBenchAt(t, 7<<32+1<<24))
}

// TestNewEpoch: events of transactions before, across and after the 2^32nd are
// read once, a writer with an old snapshot and rotation included. Sessions take
// turns here: in a server that was set to such an id by pg_resetwal, sessions that
// update one row all the time miss it now and then, without PgQ as well.
func TestNewEpoch(t *testing.T) {
	const epoch = 1 << 32
	b := newBenchAt(t, epoch)
	across, old := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(across, `begin; select pgq.insert_event('q', 't', 'across, written before')`)
	b.run(old, `begin isolation level repeatable read; select count(*) from pgq.queue`)
	var want, got []string
	for i := range 40 {
		data := fmt.Sprint("event ", i)
		b.run(b.own, `select pgq.insert_event('q', 't', $1)`, data)
		want = append(want, data)
		b.tick()
		got = append(got, b.drain(b.own, "c")...)
		b.run(b.own, `do $$ begin for i in 1 .. 5 loop perform txid_current(); commit; end loop; end $$`)
		if i%10 == 5 {
			b.rotate()
		}
	}
	b.run(across, `select pgq.insert_event('q', 't', 'across, written after'); commit`)
	b.run(old, `select pgq.insert_event('q', 't', 'by an old snapshot'); commit`)
	want = append(want, "across, written before", "across, written after", "by an old snapshot")
	b.tick()
	b.wantData(append(got, b.drain(b.own, "c")...), want...)
	b.rotate()
	b.rotate()
	if n := pgtest.One[int64](b.t, b.own, `select count(*) from pgq.event_1 where ev_txid >= $1`, epoch); n == 0 {
		t.Error("no event of the new epoch")
	}
	if cur := pgtest.One[int](b.t, b.own, `select queue_cur_table from pgq.queue`); cur == 0 {
		t.Error("nothing was rotated")
	}
}

// newBenchAt is a queue in a server whose next transactions come shortly before
// an id.
func newBenchAt(t *testing.T, id uint64) *bench {
	t.Helper()
	s := pgtest.Own(t, pgserver.Options{})
	for _, program := range []string{"pg_resetwal", "vacuumdb"} {
		pgtest.RequireProgram(t, s, program, "apt install postgresql")
	}
	if err := s.ResetTransactionID(t.Context(), id-4000); err != nil {
		t.Fatal(err)
	}
	b := newBenchOn(t, s)
	b.run(b.own, fmt.Sprintf(`do $$ begin while txid_current() < %d loop commit; end loop; end $$`, id-100))
	if now := pgtest.One[uint64](b.t, b.own, `select txid_current()`); now >= id {
		t.Fatalf("transaction %d already", now)
	}
	return b
}

func everythingAtOnce(b *bench) {
	t := b.t
	b.run(b.own, `select pgq.register_consumer('q', 'd')`)
	made := pgtest.One[int64](b.t, b.own, `select queue_switch_step1 from pgq.queue`)
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var mu sync.Mutex
	var written []string
	read := map[string][]string{}
	g := new(errgroup.Group)
	loop := func(step func(conn *pgx.Conn) error) {
		conn := pgtest.Connect(t, b.dsn)
		g.Go(func() error {
			for ctx.Err() == nil {
				if err := step(conn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for w, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		i := 0
		loop(func(conn *pgx.Conn) error {
			i++
			data := fmt.Sprintf("%d-%d", w, i)
			err := pgx.BeginTxFunc(t.Context(), conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), `select count(*) from pgq.queue`); err != nil {
					return err
				}
				time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
				_, err := tx.Exec(t.Context(), `select pgq.insert_event('q', 't', $1)`, data)
				return err
			})
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "40001" {
				return nil
			}
			if err == nil {
				mu.Lock()
				written = append(written, data)
				mu.Unlock()
			}
			return err
		})
	}
	call := func(sql string) func(conn *pgx.Conn) error {
		return func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), sql)
			return err
		}
	}
	loop(call(`select skytools.tick_write(1)`))
	for range 2 {
		loop(func(conn *pgx.Conn) error {
			for _, sql := range []string{
				`update pgq.queue set queue_switch_time = now() - interval '3 hours' where queue_switch_step2 is not null`,
				`select pgq.maint_rotate_tables_step1('q')`, `select pgq.maint_rotate_tables_step2()`,
			} {
				if err := call(sql)(conn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, consumer := range []string{"c", "d"} {
		loop(func(conn *pgx.Conn) error {
			got, err := readBatch(t.Context(), conn, consumer)
			mu.Lock()
			read[consumer] = append(read[consumer], got...)
			mu.Unlock()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
			t.Log(pg.Detail, pg.Where)
		}
		t.Fatal(err)
	}
	b.tick()
	for _, consumer := range []string{"c", "d"} {
		b.wantData(append(read[consumer], b.drain(b.own, consumer)...), slices.Clone(written)...)
	}
	if len(written) == 0 || pgtest.One[int64](b.t, b.own, `select queue_switch_step1 from pgq.queue`) == made {
		t.Error("nothing was written, or nothing rotated")
	}
}

func readBatch(ctx context.Context, conn *pgx.Conn, consumer string) ([]string, error) {
	var batch *int64
	err := conn.QueryRow(ctx, `select pgq.next_batch('q', $1)`, consumer).Scan(&batch)
	if err != nil || batch == nil {
		return nil, err
	}
	found, err := conn.Query(ctx, `select ev_data from pgq.get_batch_events($1)`, *batch)
	if err != nil {
		return nil, err
	}
	events, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err == nil {
		_, err = conn.Exec(ctx, `select pgq.finish_batch($1)`, *batch)
	}
	return events, err
}
