package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestPartsAcrossKills: a consumer whose session is killed at any moment, and
// whose caps change, writes each event once, in order within a batch, when it
// keeps the position with its rows.
func TestPartsAcrossKills(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `create table done (n bigint generated always as identity, tick bigint, ev_id bigint);
		create table place (tick bigint, ev_id bigint); insert into place values (0, 0)`)
	const events = 4000
	for i := range 8 {
		b.run(b.own, `select pgq.insert_event('q', 't', repeat('x', n % 60)) from generate_series(1, $1::int) n`, events/8)
		if i%3 == 0 {
			b.tick()
		}
	}
	b.tick()
	r := rand.New(rand.NewPCG(3, 4))
	kills := 0
	for finished := false; !finished; {
		conn, err := pgx.Connect(t.Context(), b.dsn)
		if err != nil {
			t.Fatal(err)
		}
		pid := conn.PgConn().PID()
		killer := time.AfterFunc(time.Duration(r.IntN(60+2*kills))*time.Millisecond, func() { // later each time: a slow machine gets on, too
			admin, err := pgx.Connect(context.Background(), b.dsn)
			if err == nil {
				_, _ = admin.Exec(context.Background(), `select pg_terminate_backend($1)`, pid)
				_ = admin.Close(context.Background())
			}
		})
		finished, err = consumeParts(t.Context(), conn, 50+r.IntN(3)*70, 1000+r.IntN(2)*4000)
		killer.Stop()
		_ = conn.Close(context.Background())
		if err != nil {
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code != "57P01" && pg.Code != "55P03" {
				t.Fatal(err)
			}
			kills++
		}
	}
	t.Logf("%d kills", kills)
	if kills == 0 {
		t.Error("nothing was killed: the case does not arise")
	}
	if wrong := pgtest.One[string](b.t, b.own, `select format('%s rows, %s events, %s out of order', count(*), count(distinct ev_id),
			count(*) filter (where ev_id < before)) from (select *, lag(ev_id) over (partition by tick order by n) as before from done) d`); wrong != fmt.Sprintf("%d rows, %[1]d events, 0 out of order", events) {
		t.Error(wrong)
	}
}

// consumeParts works until an error or the end of the queue. Position and rows
// are one transaction; reading and finishing are others.
func consumeParts(ctx context.Context, conn *pgx.Conn, maxEvents, maxBytes int) (bool, error) {
	for {
		var batch, tick, last *int64
		var nr *int
		if err := conn.QueryRow(ctx, `select batch_id, part_nr, last_ev_id, cur_tick_id from skytools.next_part('q', 'c', $1, $2)`,
			maxEvents, maxBytes).Scan(&batch, &nr, &last, &tick); err != nil {
			return false, err
		}
		if batch == nil {
			return true, nil
		}
		_, err := conn.Exec(ctx, fmt.Sprintf(`begin;
			insert into done (tick, ev_id)
				select %[1]d, e.ev_id from skytools.get_part_events(%[2]d, %[3]d) e, place p
				where p.tick <> %[1]d or e.ev_id > p.ev_id order by e.ev_id;
			update place set tick = %[1]d, ev_id = case when tick = %[1]d then greatest(ev_id, %[4]d) else %[4]d end;
			commit`, *tick, *batch, *nr, deref(last)))
		if err != nil {
			return false, err
		}
		if _, err := conn.Exec(ctx, `select skytools.finish_part($1, $2)`, *batch, *nr); err != nil {
			return false, err
		}
	}
}

func deref(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// TestPartsOfRewrittenTable: VACUUM FULL moves rows; a part finds them.
func TestPartsOfRewrittenTable(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `begin; select pgq.insert_event('q', 't', 'gone') from generate_series(1, 500); rollback`)
	b.run(b.own, `select pgq.insert_event('q', 't', n::text) from generate_series(1, 1000) n`)
	b.tick()
	b.run(b.own, `select skytools.next_part('q', 'c', 100, null)`)
	before := pgtest.Column[string](t, b.own, `select ev_data from skytools.get_part_events(1, 4)`)
	b.run(b.own, `vacuum full pgq.event_1_0`)
	b.wantData(pgtest.Column[string](t, b.own, `select ev_data from skytools.get_part_events(1, 4)`), before...)
	b.run(b.own, `delete from pgq.event_1_0 where ev_data = '350'`)
	_, err := b.own.Exec(t.Context(), `select skytools.get_part_events(1, 4)`)
	wantCode(t, err, "XX001")
}

// TestPartReadsItsPages: a part of a large batch is read without the rest.
func TestPartReadsItsPages(t *testing.T) {
	b := newBench(t)
	if pgtest.One[int](b.t, b.own, `select current_setting('server_version_num')::int`) < 140000 {
		t.Log("version 13 has no scan of a range of pages: each part looks at the whole batch")
		return
	}
	b.run(b.own, `select pgq.insert_event('q', 't', repeat('x', 100)) from generate_series(1, 30000) n`)
	b.tick()
	b.run(b.own, `select skytools.next_part('q', 'c', 300, null)`)
	pages := pgtest.One[int](b.t, b.own, `select pg_relation_size('pgq.event_1_0') / 8192`)
	if read := blocksRead(b, b.own, `select count(*) from skytools.get_part_events(1, 50)`); read > pages/20 {
		t.Errorf("%d pages looked at of %d", read, pages)
	}
}

// TestSecondCallerIsBusy: who holds a consumer in an open transaction keeps
// nobody waiting; who holds it for a moment is not noticed.
func TestSecondCallerIsBusy(t *testing.T) {
	b := newBench(t)
	b.run(b.own, `select pgq.insert_event('q', 't', 'd')`)
	b.tick()
	holder, second := pgtest.Connect(t, b.dsn), pgtest.Connect(t, b.dsn)
	b.run(holder, `begin`)
	batch := pgtest.One[int64](b.t, holder, `select pgq.next_batch('q', 'c')`)
	for _, call := range []string{
		`pgq.next_batch('q', 'c')`, `pgq.next_batch_info('q', 'c')`,
		`pgq.next_batch_custom('q', 'c', null, null, null)`, `skytools.next_part('q', 'c', 1, 1)`,
	} {
		began := time.Now()
		_, err := second.Exec(t.Context(), `select `+call)
		wantCode(t, err, "55P03")
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("%s waited %s", call, d)
		}
	}
	b.run(holder, `commit`)
	if again := pgtest.One[int64](b.t, second, `select pgq.next_batch('q', 'c')`); again != batch {
		t.Errorf("batch %d, the open one is %d", again, batch)
	}
	// A moment's lock, as of a finish_batch on its own, is waited for.
	b.run(holder, `begin`)
	b.run(holder, `select from pgq.subscription for update`)
	time.AfterFunc(15*time.Millisecond, func() { _, _ = holder.Exec(context.Background(), `commit`) })
	b.run(second, `select pgq.next_batch('q', 'c')`)
}
