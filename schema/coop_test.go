package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/pgtest"
)

const (
	coopMembers = 32
	coopDead    = 300 * time.Millisecond
)

// coopBench is a cooperative consumer and the table that its members write to,
// in the transaction that finishes the batch.
type coopBench struct {
	*bench
	key    bool // the order of keys is kept
	killed atomic.Int64
	fenced atomic.Int64
}

func newCoopBench(t *testing.T, key bool) *coopBench {
	t.Helper()
	b := &coopBench{bench: newBench(t), key: key}
	b.run(b.own, `select pgq.unregister_consumer('q', 'c'); select pgq_coop.register_subconsumer('q', 'c', 'm0')`)
	if key {
		b.run(b.own, `select skytools.coop_set_key('q', 'c', 'ev_extra1', 48)`)
	}
	b.run(b.own, `create table done (ev_id bigint, key text, after bigint);
		create table last_of (key text primary key, ev_id bigint not null)`)
	return b
}

// doneSQL writes the batch's events to the target, with what was there of the
// same key before.
const doneSQL = `with ev as (select ev_id, ev_extra1 as key from pgq.get_batch_events($1)),
	latest as (insert into last_of select key, max(ev_id) from ev group by key order by key -- no deadlocks
		on conflict (key) do update set ev_id = excluded.ev_id),
	before as (select l.key, l.ev_id from last_of l where l.key in (select key from ev))
	insert into done select ev.ev_id, ev.key, before.ev_id from ev left join before using (key)`

// member works until ctx ends. Now and then its session is killed, which it
// survives under its old or a new name, or it sleeps so long that it is taken
// for dead, and wakes up with the work half done.
func (b *coopBench) member(ctx context.Context, nr int) error {
	name := fmt.Sprint("m", nr)
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for ctx.Err() == nil {
		if conn == nil {
			var err error
			if conn, err = pgx.Connect(context.WithoutCancel(ctx), b.dsn); err != nil {
				return err
			}
		}
		err := b.batch(context.WithoutCancel(ctx), conn, name)
		pg, server := errors.AsType[*pgconn.PgError](err)
		switch {
		case err == nil:
		case server && pg.Code == "SK020":
			b.fenced.Add(1)
		case conn.IsClosed():
			b.killed.Add(1)
			conn = nil
			if rand.IntN(2) == 0 {
				name = fmt.Sprintf("m%d-%d", nr, rand.Int32())
			}
		default:
			return fmt.Errorf("member %s: %w", name, err)
		}
	}
	return nil
}

// batch does one batch, if there is one.
func (b *coopBench) batch(ctx context.Context, conn *pgx.Conn, name string) error {
	var batch *int64
	err := conn.QueryRow(ctx, `select batch_id from skytools.coop_next_batch('q', 'c', $1, $2)`, name, coopDead).Scan(&batch)
	if err != nil {
		return err
	}
	if batch == nil {
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		return nil
	}
	maybe := func(one, of int) bool { return rand.IntN(of) < one }
	if maybe(1, 40) {
		time.Sleep(coopDead + coopDead/2)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, doneSQL, *batch); err != nil {
			// Its batch was taken: there is none of this number any more.
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Message == "batch not found" {
				pg.Code = "SK020"
			}
			return err
		}
		if maybe(1, 40) {
			time.Sleep(coopDead + coopDead/2)
		}
		if maybe(1, 12) {
			if _, err := tx.Exec(ctx, `select pg_terminate_backend(pg_backend_pid())`); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `select skytools.coop_finish_batch($1)`, *batch)
		return err
	})
}

// TestCoopMembersKilled: members of a cooperative consumer are killed, and
// fall silent, at random while events come and tables rotate. Each event is
// done once, and with a key those of a key in their order.
func TestCoopMembersKilled(t *testing.T) {
	for _, c := range []struct {
		name string
		key  bool
	}{{"whole batches", false}, {"by key", true}} {
		t.Run(c.name, func(t *testing.T) { newCoopBench(t, c.key).killedAtRandom() })
	}
}

func (b *coopBench) killedAtRandom() {
	t := b.t
	writing, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	working, enough := context.WithCancel(t.Context())
	defer enough()
	g, alive := errgroup.WithContext(working)
	for nr := range coopMembers {
		g.Go(func() error { return b.member(working, nr) })
	}
	writes := new(errgroup.Group)
	for range 3 {
		conn := pgtest.Connect(t, b.dsn)
		writes.Go(func() error {
			for writing.Err() == nil {
				// Writers of one key go one after the other, as under the row
				// lock of a table's row: order by id is order of commit.
				_, err := conn.Exec(t.Context(), `begin; select pg_advisory_xact_lock(77);
					select pgq.insert_event('q', 't', '', 'key' || (random() * 40)::int, null, null, null) from generate_series(1, 5); commit`)
				if err != nil {
					return err
				}
				time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
			}
			return nil
		})
	}
	ticker := pgtest.Connect(t, b.dsn)
	g.Go(func() error {
		for working.Err() == nil {
			_, err := ticker.Exec(t.Context(), `select skytools.tick('q')`)
			for _, sql := range []string{
				`update pgq.queue set queue_switch_time = now() - interval '3 hours' where queue_switch_step2 is not null`,
				`select pgq.maint_rotate_tables_step1('q')`, `select pgq.maint_rotate_tables_step2()`,
			} {
				if err == nil {
					_, err = ticker.Exec(t.Context(), sql)
				}
			}
			if err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	})
	if err := writes.Wait(); err != nil {
		t.Fatal(err)
	}
	written := pgtest.One[int64](b.t, b.own, `select last_value from pgq.event_1_id_seq`)
	b.awaitDone(alive, written)
	enough()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if b.killed.Load() == 0 || b.fenced.Load() == 0 {
		t.Errorf("%d killed, %d fenced: the case did not arise", b.killed.Load(), b.fenced.Load())
	}
	t.Logf("%d events, %d sessions killed, %d members fenced", written, b.killed.Load(), b.fenced.Load())
	if n := pgtest.One[int64](b.t, b.own, `select count(*) - count(distinct ev_id) from done`); n > 0 {
		t.Errorf("%d events were done twice", n)
	}
	if n := pgtest.One[int64](b.t, b.own, `select count(*) from done where after >= ev_id`); b.key && n > 0 {
		t.Errorf("%d events were done after a later one of their key", n)
	}
	if n := pgtest.One[int64](b.t, b.own, `select count(*) from done where after >= ev_id`); !b.key && n == 0 {
		t.Error("without a key the order was kept as well: the test cannot see it broken")
	}
}

// awaitDone waits until no event is left to do.
func (b *coopBench) awaitDone(alive context.Context, written int64) {
	b.t.Helper()
	for range 600 {
		if alive.Err() != nil {
			return
		}
		if pgtest.One[int64](b.t, b.own, `select count(distinct ev_id) from done`) == written {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("%d of %d events were done: %v", pgtest.One[int64](b.t, b.own, `select count(distinct ev_id) from done`), written,
		pgtest.Column[string](b.t, b.own, `select format('%s blocked by %s, %s: %s', pid, pg_blocking_pids(pid), state, query)
			from pg_stat_activity where datname = current_database()`))
}

// TestFinishLeavesTheNameAlone: a member that ends its batch in a transaction
// with its work keeps no other queue from consumers of its name.
func TestFinishLeavesTheNameAlone(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.create_queue('other'), pgq_coop.register_subconsumer('q', 'c', 'm')`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'd')`)
	b.tick()
	other := pgtest.Connect(t, b.dsn)
	b.run(other, `set lock_timeout = '2 s'`)
	names := func() int {
		return pgtest.One[int](b.t, b.own, `select count(*)::int from pgq.consumer where co_name = 'c.m'`)
	}

	batch := pgtest.One[int64](b.t, b.own, `select pgq_coop.next_batch('q', 'c', 'm')`)
	b.run(b.own, `begin`)
	b.run(b.own, `select skytools.coop_finish_batch($1)`, batch)
	b.run(other, `select pgq.register_consumer('other', 'c.m')`)
	b.run(b.own, `commit`)

	// Nor where the member goes.
	b.run(b.own, `select pgq.insert_event('q', 't', 'd')`)
	b.tick()
	batch = pgtest.One[int64](b.t, b.own, `select pgq_coop.next_batch('q', 'c', 'm')`)
	b.run(b.own, `select pgq_coop.unregister_subconsumer('q', 'c', 'm', 1)`)
	b.run(b.own, `begin`)
	b.run(b.own, `select skytools.coop_finish_batch($1)`, batch)
	b.run(other, `select pgq.unregister_consumer('other', 'c.m')`)
	b.run(b.own, `rollback`)
	if n := names(); n != 1 {
		t.Errorf("%d names c.m, it is registered", n)
	}
	b.run(b.own, `select skytools.coop_finish_batch($1)`, batch)
	if n := names(); n != 0 {
		t.Errorf("%d names c.m, it is registered nowhere", n)
	}
}
