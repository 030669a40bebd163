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

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestEverythingAtOnce: writers, tickers, readers and two maintenances work on
// one queue; each consumer reads each committed event once.
func TestEverythingAtOnce(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.register_consumer('q', 'd')`)
	made := one[int64](b, b.own, `select queue_switch_step1 from pgq.queue`)
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
	if len(written) == 0 || one[int64](b, b.own, `select queue_switch_step1 from pgq.queue`) == made {
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
