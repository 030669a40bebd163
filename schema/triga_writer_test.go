package schema

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestUpstreamArgument gives every trigger of the scripts the argument upstream
// and wants what the extension writes, under the writer's settings as well.
func TestUpstreamArgument(t *testing.T) {
	s := pgtest.Second(t)
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	with := strings.NewReplacer(
		"triga('q'", "triga('q', 'upstream'", "triga(''q''", "triga(''q'', ''upstream''", "pgq.%s(''q''", "pgq.%s(''q'', ''upstream''",
		"level, f, args)", "level, f, replace(args, '''q''', '''q'', ''upstream'''))")
	// What the argument does not take back.
	kept := []string{"as stale;", "update included", "as included;"}
	for _, name := range []string{"pgq_triga_args.sql", "pgq_triga_format.sql", "pgq_triga_session.sql"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(script, []byte(with.Replace(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
			got := blocks(psql(t, installed(t, s, script), script))
			want := blocks(with.Replace(psql(t, extension(t, s), filepath.Join("testdata", name))))
			if len(got) != len(want) {
				t.Fatalf("%d statements here, %d in the extension", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] && !containsAny(got[i], kept) {
					t.Errorf("-extension +ours:\n%s", cmp.Diff(want[i], got[i]))
				}
			}
		})
	}
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// watched makes a database with a queue and a table that the three triggers watch.
func watched(t *testing.T, columns string) (dsn string, conn *pgx.Conn) {
	t.Helper()
	dsn = pgtest.Database(t, pgtest.Server(t), setup)
	conn = pgtest.Connect(t, dsn)
	pgtest.ExecAll(t, conn, `select pgq.create_queue('q')`, `create table t (`+columns+`)`,
		`create trigger a after insert or update or delete on t for each row execute function pgq.logutriga('q')`,
		`create trigger b after insert or update or delete on t for each row execute function pgq.sqltriga('q')`,
		`create trigger c after insert or update or delete on t for each row execute function pgq.jsontriga('q')`)
	return dsn, conn
}

func wantEvents(t *testing.T, conn *pgx.Conn, filter string, want ...string) {
	t.Helper()
	got := pgtest.Column[string](t, conn, `select ev_type || ' ' || ev_data from pgq.event_1 where ev_type ~ $1 order by ev_id`, filter)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A writer needs the right to insert events, as upstream, and no other. Objects
// of his that are named like the server's are not asked.
func TestTrigaWriter(t *testing.T) {
	dsn, owner := watched(t, "id int primary key, a text, at timestamptz")
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `do $$ begin if to_regrole('triga_writer') is null then create role triga_writer; end if; end $$`,
		`create schema evil authorization triga_writer`, `grant insert, update, delete, select on t to triga_writer`)
	pgtest.ExecAll(t, admin, `set role triga_writer`)
	for _, f := range []string{"replace(text, text, text)", "concat(text, text)", "strpos(text, text)", "format(text, text)", "current_setting(text)", "urlencode(text)", "octet_length(text)"} {
		pgtest.ExecAll(t, admin, `create function evil.`+f+` returns text language plpgsql as 'begin raise exception ''evil''; end'`)
	}
	pgtest.ExecAll(t, admin, `create function evil.eq(text, text) returns bool language plpgsql as 'begin raise exception ''evil''; end'`,
		`create operator evil.= (function = evil.eq, leftarg = text, rightarg = text)`, `create operator evil.<> (function = evil.eq, leftarg = text, rightarg = text)`,
		`create domain evil.text as int`, `create domain evil.int4 as text`,
		`set search_path = evil, pg_catalog`, `set standard_conforming_strings = off`, `set timezone = 'Asia/Tokyo'`, `set datestyle = 'SQL, DMY'`)
	const write = `insert into public.t values (1, E'a b\\', '2020-01-01 00:00:00+00')`
	if _, err := admin.Exec(t.Context(), write); err == nil || !strings.Contains(err.Error(), "permission denied for function insert_event") {
		t.Errorf("writer without the right: %v", err)
	}
	pgtest.ExecAll(t, owner, `grant execute on function pgq.insert_event(text, text, text, text, text, text, text) to triga_writer`)
	pgtest.ExecAll(t, admin, write, `update public.t set a = null`, `delete from public.t`)
	wantEvents(t, owner, "",
		"I:id id=1&a=a+b%5c&at=2020-01-01+00%3a00%3a00%2b00", `I (id,a,at) values ('1',E'a b\\','2020-01-01 00:00:00+00')`,
		`{"op":"INSERT","table":["public","t"],"pkey":["id"]} {"id":1,"a":"a b\\","at":"2020-01-01T00:00:00+00:00"}`,
		"U:id id=1&a&at=2020-01-01+00%3a00%3a00%2b00", "U a=NULL where id='1'",
		`{"op":"UPDATE","table":["public","t"],"pkey":["id"]} {"id":1,"a":null,"at":"2020-01-01T00:00:00+00:00"}`,
		"D:id id=1&a&at=2020-01-01+00%3a00%3a00%2b00", "D id='1'",
		`{"op":"DELETE","table":["public","t"],"pkey":["id"]} {"id":1,"a":null,"at":"2020-01-01T00:00:00+00:00"}`)
}

// What is kept of a table is anybody's to set, and holds expressions that run
// with the rights of whoever writes the row: here of a function's owner. Only
// what was found out in this transaction, of this table and these arguments,
// is taken.
func TestTrigaForged(t *testing.T) {
	dsn, owner := watched(t, "id int primary key, a text")
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `do $$ begin if to_regrole('triga_forger') is null then create role triga_forger; end if; end $$`)
	pgtest.ExecAll(t, owner, `create function write(i int) returns void language sql security definer set search_path = pg_catalog, pg_temp
		as 'insert into public.t values (i, ''x'')'`)
	pgtest.ExecAll(t, admin, `set role triga_forger`, `create function pg_temp.who() returns text language sql as 'select current_user::text'`)
	const setting = `format('skytools.triga_%s_%s', 'public.t'::regclass::oid, to_hex(hash_array_extended('{q}'::text[], ascii('urlenc'))))`
	for i, forge := range []string{
		`select set_config(` + setting + `, array_to_string(array['2', 'id', '', '', '', '', 'kk', 'ev_type' || e'\x02' || '(select pg_temp.who())',
			'', '', '', '', '', '', '0'], e'\x04#', ''), false)`,
		// Sealed, but for other arguments, and in another transaction.
		`do $$ begin perform skytools.triga_known('urlenc', 'public.t'::regclass, '{q,"ev_type=(select pg_temp.who())"}');
			perform set_config(` + setting + `, current_setting(format('skytools.triga_%s_%s', 'public.t'::regclass::oid,
				to_hex(hash_array_extended('{q,"ev_type=(select pg_temp.who())"}'::text[], ascii('urlenc'))))), false);
			perform public.write(100); end $$`,
		// Parts of a sealed text that pass for the parts before them.
		`do $$ declare f text := concat('urlenc', e'\x04#', 'public.t'::regclass::oid, e'\x04#', '{q}', e'\x04#', 'forged'); begin
			perform skytools.triga_known(f, 'public.t'::regclass, '{q}');
			raise exception 'taken'; exception when invalid_parameter_value then null; end $$`,
		`select set_config(` + setting + `, reverse(current_setting(` + setting + `)), false)`,
	} {
		pgtest.ExecAll(t, admin, forge)
		if _, err := admin.Exec(t.Context(), `select public.write($1)`, i); err != nil {
			t.Errorf("forgery %d: %v", i, err)
		}
	}
	wantEvents(t, owner, `^(I:|triga|`+pgtest.DBName(t, dsn)+`)`, "I:id id=0&a=x", "I:id id=100&a=x", "I:id id=1&a=x", "I:id id=2&a=x", "I:id id=3&a=x")
	for _, sql := range []string{`select skytools.triga_seal('x')`, `select secret from skytools.secret`} {
		var pg *pgconn.PgError
		if _, err := admin.Exec(t.Context(), sql); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestTrigaSecret: a role that may read all data does not read what seals are
// made of.
func TestTrigaSecret(t *testing.T) {
	pgtest.RequireVersion(t, pgtest.Server(t), 14, "pg_read_all_data")
	dsn, owner := watched(t, "id int primary key, a text")
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `do $$ begin if to_regrole('triga_reader') is null then create role triga_reader in role pg_read_all_data; end if; end $$`,
		`set role triga_reader`)
	if n := pgtest.One[int](t, admin, `select count(*)::int from skytools.secret`); n != 0 {
		t.Errorf("it reads %d secrets", n)
	}
	pgtest.ExecAll(t, owner, `insert into t values (1, 'a')`)
	if seals := pgtest.Column[string](t, owner, `select left(skytools.triga_seal('x'), 64)`); len(seals[0]) != 64 {
		t.Errorf("the owner seals %v", seals)
	}
}

// TestTrigaKnownLocks: what is known of a table is known under its lock, also
// when somebody calls the function who is no trigger and has no right to the table.
func TestTrigaKnownLocks(t *testing.T) {
	dsn, owner := watched(t, "id int primary key, a text")
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `do $$ begin if to_regrole('triga_forger') is null then create role triga_forger; end if; end $$`,
		`set role triga_forger`, `begin`, `do $$ begin perform skytools.triga_known('urlenc', 'public.t'::regclass, '{q}'); end $$`)
	pgtest.Exec(t, owner, `set lock_timeout = '100ms'`)
	var pg *pgconn.PgError
	if _, err := owner.Exec(t.Context(), `alter table t rename a to b`); !errors.As(err, &pg) || pg.Code != "55P03" {
		t.Errorf("the table changes under what is known of it: %v", err)
	}
	pgtest.Exec(t, admin, `rollback`)
	pgtest.Exec(t, owner, `alter table t rename a to b`)
}

// What is kept of a table for the time of a transaction does not outlive a
// change of it: by a rolled back savepoint, which gives up the table's lock, by
// the transaction itself in the middle of one message, and under a snapshot that
// is older than the change.
func TestTrigaSeesChangesOfTheTable(t *testing.T) {
	dsn, conn := watched(t, "id int primary key, a text")
	other := pgtest.Connect(t, dsn)
	pgtest.ExecAll(t, conn, `begin`, `savepoint s`, `insert into t values (1, 'a')`, `rollback to savepoint s`)
	pgtest.ExecAll(t, other, `alter table t rename a to b`)
	pgtest.ExecAll(t, conn, `insert into t values (2, 'b')`,
		`do $$ begin
			alter table t rename b to c; insert into t values (3, 'c');
			alter table t drop constraint t_pkey, add primary key (c); insert into t values (4, 'd');
			begin
				alter table t add column x int; insert into t values (5, 'e', 1);
				raise exception 'back';
			exception when raise_exception then null;
			end;
			insert into t values (6, 'f');
		end $$`, `commit`,
		`begin isolation level repeatable read`, `select 1`)
	pgtest.ExecAll(t, other, `alter table t rename c to d`, `alter table t add column e date`, `alter table t drop column id`)
	pgtest.ExecAll(t, conn, `set datestyle = 'SQL, DMY'`, `insert into t values ('g', '2020-05-06')`, `commit`)
	wantEvents(t, conn, "^I:", "I:id id=2&b=b", "I:id id=3&c=c", "I:c id=4&c=d", "I:c id=6&c=f", "I:d d=g&e=2020-05-06")
}

// Under a deferrable key rows may swap theirs. Whoever replays the events in
// their order has the table's rows.
func TestTrigaKeySwaps(t *testing.T) {
	_, conn := watched(t, "id int primary key deferrable, a text")
	pgtest.ExecAll(t, conn, `insert into t values (1, 'a'), (2, 'b'), (3, 'c')`, `update t set id = 3 - id where id < 3`, `update t set id = id + 1`,
		`create table copy (id int primary key, a text)`,
		`do $$ declare e record; begin
			for e in select * from pgq.event_1 where ev_type in ('I', 'U', 'D') order by ev_id loop
				execute case e.ev_type when 'I' then 'insert into copy ' when 'U' then 'update copy set ' else 'delete from copy where ' end || e.ev_data;
			end loop;
		end $$`)
	want := []string{"(2,b)", "(3,a)", "(4,c)"}
	for _, table := range []string{"t", "copy"} {
		if diff := cmp.Diff(want, pgtest.Column[string](t, conn, `select t::text from `+table+` t order by id`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", table, diff)
		}
	}
}
