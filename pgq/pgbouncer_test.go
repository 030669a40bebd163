package pgq

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
)

// TestThroughPgbouncer: five consumers, their targets and a producer share six
// sessions, in which nothing of them is left, and lose them now and then.
func TestThroughPgbouncer(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `create table got (consumer text, ev_id bigint, ev_retry int)`)
	startTicker(t, dsn)
	through := pgtest.Pgbouncer(t, dsn)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		pgtest.Exec(t, conn, `select pgq.register_consumer($1, $2)`, queue, name)
		pgtest.Start(t, "consumer "+name, func(ctx context.Context) error { return writeThrough(ctx, t, through, name) })
	}
	p := &Producer{Queue: queue}
	producer := connectMode(t, through, pgx.QueryExecModeExec)
	var ids []string
	for i := range 30 {
		if i%10 == 9 {
			pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and pid <> pg_backend_pid() and usename = 'app'
				and pid not in (select pid from pg_locks where locktype = 'advisory')`)
		}
		pgtest.Eventually(t, 10*time.Second, "a transaction through pgbouncer", func() bool {
			if producer.IsClosed() {
				producer = connectMode(t, through, pgx.QueryExecModeExec)
			}
			tx, err := producer.Begin(t.Context())
			if err != nil {
				return false
			}
			defer tx.Rollback(t.Context()) // tried again
			list, err := p.InsertMany(t.Context(), tx, []Event{{Type: "x"}, {Type: "again"}, {Type: "y"}})
			if err != nil || tx.Commit(t.Context()) != nil {
				return false
			}
			for i, id := range list {
				ids = append(ids, fmt.Sprint(id, " 0"))
				if i == 1 {
					ids = append(ids, fmt.Sprint(id, " 1"))
				}
			}
			return true
		})
		time.Sleep(10 * time.Millisecond) // so that consumers have many small batches
	}
	for _, name := range names {
		var got []string
		pgtest.Eventually(t, 20*time.Second, "all events for "+name, func() bool {
			pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
			got = pgtest.Column[string](t, conn, `select ev_id || ' ' || ev_retry from got where consumer = $1 order by ev_id, ev_retry`, name)
			return len(got) >= len(ids)
		})
		if !slices.Equal(got, ids) {
			t.Errorf("%s got %v\nwant %v", name, got, ids)
		}
	}
	left := pgtest.Column[string](t, conn, `select query from pg_stat_activity where query ilike 'listen%' and datname = current_database()`)
	if n := pgtest.One[int](t, producer, `select count(*)::int from pg_prepared_statements`); n != 0 || len(left) != 0 {
		t.Errorf("%d prepared statements and %q are left", n, left)
	}
}

// writeThrough writes down what comes, and asks for some once more.
func writeThrough(ctx context.Context, t *testing.T, dsn, name string) error {
	target := &reconnecting{cfg: pgtest.Config(t, dsn)}
	target.cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	defer target.close()
	c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: name}
	return c.RunTx(ctx, target, func(ctx context.Context, tx pgx.Tx, b *Batch) error {
		for ev, err := range b.Events(ctx) {
			if err != nil {
				return err
			}
			if ev.Type == "again" && ev.Retry == 0 {
				b.Retry(ev, 0)
			}
			if _, err := tx.Exec(ctx, `insert into got values ($1, $2, $3)`, name, int64(ev.ID), ev.Retry); err != nil {
				return err
			}
		}
		return nil
	})
}

// reconnecting is the least that a pool does.
type reconnecting struct {
	cfg  *pgx.ConnConfig
	conn *pgx.Conn
}

func (r *reconnecting) Begin(ctx context.Context) (pgx.Tx, error) {
	if r.conn == nil || r.conn.IsClosed() {
		var err error
		if r.conn, err = pgx.ConnectConfig(ctx, r.cfg); err != nil {
			return nil, err
		}
	}
	return r.conn.Begin(ctx)
}

func (r *reconnecting) close() {
	if r.conn != nil {
		session.Close(context.Background(), r.conn)
	}
}
