package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// rightsBench is a server of its own, with PgQ's roles and some others.
func rightsBench(t *testing.T, roles ...string) (*bench, *pgserver.Server) {
	t.Helper()
	s := pgtest.Own(t, pgserver.Options{})
	admin := pgtest.Admin(t, s, "postgres")
	for _, role := range append(roles, "pgq_reader", "pgq_writer", "pgq_admin in role pgq_reader, pgq_writer") {
		if _, err := admin.Exec(t.Context(), `create role `+role); err != nil {
			t.Fatal(err)
		}
	}
	return newBenchOn(t, s), s
}

// as opens a session of another role.
func (b *bench) as(s *pgserver.Server, role string) *pgx.Conn {
	b.t.Helper()
	return pgtest.Connect(b.t, s.DSN(pgtest.DBName(b.t, b.dsn), role))
}

// TestRightsOnOneQueue: roles that are no members of pgq_writer and pgq_reader
// write and read the queue they were given, and nothing else, whatever they try.
func TestRightsOnOneQueue(t *testing.T) {
	b, s := rightsBench(t, "one_writer login", "one_reader login", "one_nobody login")
	b.run(b.own, `select pgq.create_queue('other'), pgq.register_consumer('other', 'c')`)
	writer, reader, nobody := b.as(s, "one_writer"), b.as(s, "one_reader"), b.as(s, "one_nobody")
	granted := pgtest.Column[string](t, b.own, `select skytools.grant_queue('q', 'one_writer', 'write')::text`)
	granted = append(granted, pgtest.Column[string](t, b.own, `select skytools.grant_queue('q', 'one_reader', 'read')::text`)...)
	for _, fn := range granted {
		if !strings.HasPrefix(fn, "skytools.queue_1_") {
			t.Errorf("granted %s", fn)
		}
	}
	b.run(b.own, `select skytools.grant_queue('q', 'one_writer', 'write')`) // again
	// A newer version finds rights that an older one gave, which had less.
	b.run(b.own, `drop function skytools.queue_1_coop_filter(bigint)`)
	b.run(b.own, `revoke select on pgq.event_1_0 from one_reader`)
	b.run(b.own, `update skytools.installation set grants_sum = ''`)
	if _, err := Install(t.Context(), b.own, Options{}); err != nil {
		t.Fatal(err)
	}

	b.run(writer, `select skytools.queue_1_insert_event('q', 't', 'three')`)
	b.run(writer, `select skytools.queue_1_insert_event('q', 't', 'seven', 'a', 'b', 'c', 'd')`)
	b.run(writer, `select skytools.queue_1_insert_events('q', '{t}', '{many}', null, null, null, null)`)
	b.run(writer, `select skytools.queue_1_insert_event_once('q', 'k', '1 hour', 't', 'once')`)
	id := pgtest.One[int64](b.t, writer, `select skytools.queue_1_insert_event_at('q', now() + interval '1 hour', 't', 'later')`)
	if n := pgtest.One[int](b.t, writer, `select skytools.queue_1_cancel_delayed('q', array[$1::bigint])`, id); n != 1 {
		t.Errorf("%d cancelled", n)
	}
	b.tick()
	b.run(reader, `select skytools.queue_1_register_consumer('q', 'mine')`)
	b.run(writer, `select skytools.queue_1_insert_event('q', 't', 'mine')`)
	b.tick()
	batch := pgtest.One[int64](b.t, reader, `select batch_id from skytools.queue_1_next_batch_info('q', 'c')`)
	b.wantData(pgtest.Column[string](t, reader, `select ev_data from skytools.queue_1_get_batch_events($1)`, batch), "three", "seven", "many", "once")
	b.run(reader, `begin`)
	b.run(reader, `select skytools.queue_1_get_batch_cursor($1, 'cur', 1)`, batch)
	if tag, err := reader.Exec(t.Context(), `fetch all from cur`); err != nil || tag.RowsAffected() != 3 {
		t.Errorf("%s, %v: want 3 events fetched", tag, err)
	}
	b.run(reader, `commit`)
	b.run(reader, `select skytools.queue_1_event_retry($1, '{1}'::bigint[], interval '0')`, batch)
	b.run(reader, `select skytools.queue_1_event_retry($1, 2, 60)`, batch)
	b.run(reader, `select skytools.queue_1_event_dead($1, '{3}', 'no')`, batch)
	b.run(reader, `select skytools.queue_1_finish_batch($1)`, batch)
	part := pgtest.One[int64](b.t, reader, `select batch_id from skytools.queue_1_next_part('q', 'mine', 1, null)`)
	b.wantData(pgtest.Column[string](t, reader, `select ev_data from skytools.queue_1_get_part_events($1, 1)`, part), "mine")
	b.run(reader, `select skytools.queue_1_finish_part($1, 1)`, part)
	b.run(reader, `select skytools.queue_1_pgq_coop_next_batch_custom('q', 'shared', 'm', null, null, null, null)`)
	b.run(writer, `select skytools.queue_1_insert_event('q', 't', 'shared')`)
	b.tick()
	share := pgtest.One[int64](b.t, reader, `select batch_id from skytools.queue_1_coop_next_batch('q', 'shared', 'm')`)
	b.wantData(pgtest.Column[string](t, reader, `select ev_data from skytools.queue_1_get_batch_events($1)`, share), "shared")
	b.run(reader, `select skytools.queue_1_coop_finish_batch($1)`, share)
	if n := pgtest.One[int](b.t, reader, `select skytools.queue_1_pgq_coop_unregister_subconsumer('q', 'shared', 'm', 0)`); n != 1 {
		t.Errorf("%d members unregistered", n)
	}
	if n := pgtest.One[int](b.t, reader, `select count(*)::int from pgq.event_1_0`); n == 0 {
		t.Error("no event to be seen in the queue's own table")
	}

	b.refuses(s, writer, reader, nobody)

	// A function with its owner's rights has the owner's on queues, as on all
	// else; and being called by it gives nobody more.
	b.run(writer, `create schema ws; create function ws.put(q text) returns bigint language sql security definer as
		$$ select skytools.queue_1_insert_event(q, 't', 'by proxy') $$;
		grant usage on schema ws to one_nobody`)
	b.run(nobody, `select ws.put('q')`)
	for _, conn := range []*pgx.Conn{nobody, b.own} {
		if _, err := conn.Exec(t.Context(), `select ws.put('other')`); sqlState(err) != "42501" {
			t.Errorf("by a function: %v", err)
		}
	}

	got := pgtest.Column[string](t, b.own, `select format('%s %s %s', queue_name, role_name, queue_right) from skytools.queue_grants()`)
	if !slices.Equal(got, []string{"q one_reader read", "q one_writer write"}) {
		t.Errorf("grants: %v", got)
	}
	b.run(b.own, `select skytools.revoke_queue('q', 'one_writer', 'write')`)
	if _, err := writer.Exec(t.Context(), `select skytools.queue_1_insert_event('q', 't', 'd')`); sqlState(err) != "42501" {
		t.Errorf("after revoke: %v", err)
	}
	if n := pgtest.One[int](b.t, b.own, `select skytools.revoke_queue('q', 'one_writer', 'write')`); n != 0 {
		t.Errorf("revoked %d functions once more", n)
	}
	b.run(b.own, `select skytools.revoke_queue('q', 'one_reader', 'read')`)
	if _, err := reader.Exec(t.Context(), `select * from pgq.event_1_0`); sqlState(err) != "42501" {
		t.Errorf("after revoke: %v", err)
	}
	for sql, code := range map[string]string{
		`select skytools.grant_queue('q', 'no such role', 'read')`:  "42704",
		`select skytools.grant_queue('q', 'one_reader', 'delete')`:  "22023",
		`select skytools.grant_queue('no', 'one_reader', 'read')`:   "42704",
		`select skytools.revoke_queue('q', 'one_reader', 'delete')`: "22023",
	} {
		_, err := b.own.Exec(t.Context(), sql)
		wantCode(t, err, code)
	}
	b.run(b.own, `select pgq.drop_queue('q', true)`)
	if left := pgtest.Column[string](t, b.own, `select oid::regprocedure::text from pg_proc where proname ~ '^queue_1_'`); len(left) > 0 {
		t.Errorf("left after drop_queue: %v", left)
	}
}

// refuses has roles with rights on queue q try others' queues, by all ways.
func (b *bench) refuses(s *pgserver.Server, writer, reader, nobody *pgx.Conn) {
	b.t.Helper()
	b.run(b.own, `select pgq.insert_event('other', 't', 'secret'), skytools.tick_write(2)`)
	foreign := pgtest.One[int64](b.t, b.own, `select pgq.next_batch('other', 'c')`)
	b.run(pgtest.Admin(b.t, s, pgtest.DBName(b.t, b.dsn)), `grant create on database `+pgtest.DBName(b.t, b.dsn)+` to one_reader, one_writer`)
	b.run(reader, `create schema evil; create function evil.own_batch(int, bigint) returns bigint language sql as 'select $2';
		create function pg_temp.own_batch(int, bigint) returns bigint language sql as 'select $2';
		create temp table subscription (sub_batch bigint, sub_queue int); create temp table queue as select 1 as queue_id, 'other'::text as queue_name;
		set search_path = pg_temp, evil, pg_catalog`)
	cheats := map[*pgx.Conn][]string{
		writer: {
			`select skytools.queue_1_insert_event('other', 't', 'd')`,
			`select skytools.queue_1_insert_event(null, 't', 'd')`,
			`select skytools.queue_1_insert_events('other', '{t}', '{d}', null, null, null, null)`,
			`select skytools.queue_1_insert_event_at('other', now(), 't', 'd')`,
			`select skytools.queue_1_insert_event_once('other', 'k', '1 hour', 't', 'd')`,
			`select skytools.queue_1_next_batch('q', 'c')`,
			`select pgq.insert_event('q', 't', 'd')`,
			`select pgq.insert_event_raw('q', 1, now(), null, null, 't', 'd', null, null, null, null)`,
			`insert into pgq.event_1_0 (ev_id, ev_time) values (1, now())`,
			`set role pgq_writer`, `set role app`, `set session authorization app`,
			`select skytools.own_queue(2, 'other')`,
			`select skytools.grant_queue('other', 'one_writer', 'write')`,
			`select skytools.queue_function(2, 'pgq.insert_event(text, text, text)')`,
		},
		reader: {
			fmt.Sprintf(`select skytools.queue_1_get_batch_events(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_get_batch_cursor(%d, 'x', 1)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_finish_batch(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_batch_retry(%d, 0)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_event_retry(%d, '{1}'::bigint[], interval '0')`, foreign),
			fmt.Sprintf(`select skytools.queue_1_event_retry(%d, 1::bigint, 0)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_event_dead(%d, '{1}', '')`, foreign),
			fmt.Sprintf(`select skytools.queue_1_get_batch_info(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_get_part_events(%d, 1)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_finish_part(%d, 1)`, foreign),
			fmt.Sprintf(`select pgq.get_batch_events(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_pgq_coop_finish_batch(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_coop_finish_batch(%d)`, foreign),
			fmt.Sprintf(`select skytools.queue_1_coop_filter(%d)`, foreign),
			`select skytools.queue_1_pgq_coop_register_subconsumer('other', 'c', 'm')`,
			`select skytools.queue_1_pgq_coop_next_batch_custom('other', 'c', 'm', null, null, null, null)`,
			`select skytools.queue_1_register_consumer_at('other', 'c', 1)`,
			`select skytools.queue_1_dead_purge('other', null)`,
			`select * from pgq.event_2_0`, `insert into pgq.event_1_0 (ev_id, ev_time) values (1, now())`, `truncate pgq.event_1_0`,
			`select skytools.queue_1_next_batch('other', 'c')`,
			`select skytools.queue_1_next_part('other', 'c', 1, 1)`,
			`select skytools.queue_1_unregister_consumer('other', 'c')`,
			`select skytools.queue_1_dead_events(null, null, null)`,
			`select skytools.queue_1_dead_replay('other', 'c')`,
			`select skytools.queue_1_insert_event('q', 't', 'd')`,
			`select * from pgq.event_1`, `select * from skytools.dead_event`, `select * from skytools.batch_part`,
			`set role pgq_reader`,
		},
		nobody: {
			`select skytools.queue_1_insert_event('q', 't', 'd')`,
			`select skytools.queue_1_next_batch('q', 'c')`,
		},
	}
	for conn, list := range cheats {
		for _, sql := range list {
			_, err := conn.Exec(b.t.Context(), sql)
			if code := sqlState(err); code != "42501" {
				b.t.Errorf("%s: %v, want SQLSTATE 42501", sql, err)
			}
		}
	}
}

// TestCursorOverSlots: who may read one queue only fetches from the cursor over
// a member's slots, whose condition calls a function.
func TestCursorOverSlots(t *testing.T) {
	b, s := rightsBench(t, "one_reader login")
	reader := b.as(s, "one_reader")
	b.run(b.own, `select skytools.coop_set_key('q', 'c', 'json:id', 2)`)
	b.run(b.own, `select skytools.grant_queue('q', 'one_reader', 'read')`)
	b.run(b.own, `select pgq.insert_event('q', 't', '{"id": 1}'), pgq.insert_event('q', 't', '{"id": 2}')`)
	b.tick()
	batch := pgtest.One[int64](b.t, b.own, `select pgq_coop.next_batch('q', 'c', 'm')`)
	b.run(reader, `begin`)
	b.run(reader, `select skytools.queue_1_get_batch_cursor($1, 'cur', 0)`, batch)
	if tag, err := reader.Exec(t.Context(), `fetch all from cur`); err != nil || tag.RowsAffected() != 2 {
		t.Errorf("%s, %v: want 2 events fetched", tag, err)
	}
}

// TestGeneralRightsStay: members of pgq_writer and pgq_reader write and read
// any queue, as before.
func TestGeneralRightsStay(t *testing.T) {
	b, s := rightsBench(t, "all_queues login")
	b.run(pgtest.Admin(t, s, "postgres"), `grant pgq_writer, pgq_reader to all_queues`)
	member := b.as(s, "all_queues")
	for _, call := range []string{
		`pgq.insert_event('q', 't', 'd')`, `skytools.insert_event_at('q', now(), 't', 'd')`,
		`skytools.insert_event_once('q', 'k', '1 hour', 't', 'd')`, `skytools.next_part('q', 'c', 1, 1)`,
	} {
		b.run(member, `select `+call)
	}
	b.tick()
	batch := pgtest.One[int64](b.t, member, `select pgq.next_batch('q', 'c')`)
	b.run(member, `select skytools.event_retry($1, '{1}', '0')`, batch)
	b.wantData(pgtest.Column[string](t, member, `select ev_data from pgq.get_batch_events($1)`, batch), "d", "d")
	part := pgtest.One[int](b.t, member, `select part_nr from skytools.next_part('q', 'c', 1, null)`)
	b.wantData(pgtest.Column[string](t, member, `select ev_data from skytools.get_part_events($1, $2)`, batch, part), "d")
	b.run(member, `select skytools.event_dead($1, '{2}', 'no')`, batch)
	b.run(member, `select skytools.dead_replay('q', 'c')`)
	b.run(member, `select pgq.finish_batch($1)`, batch)
	for _, call := range []string{
		`skytools.grant_queue('q', 'all_queues', 'read')`, `skytools.set_queue_policy('q', 'max_attempts', '1')`,
		`skytools.retry_write(1, 'select 1', now(), null)`, `skytools.requeue('select 1', '{1}')`,
	} {
		if _, err := member.Exec(t.Context(), `select `+call); sqlState(err) != "42501" {
			t.Errorf("%s: %v, want it refused", call, err)
		}
	}
}

func sqlState(err error) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return ""
	}
	return pg.Code
}
