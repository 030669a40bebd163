package schema

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// shadowsSQL makes, in a schema of the writer's, what the functions of PgQ call by
// name and signature, operators and types too. Each raises when it is asked, and
// says whether that was with rights other than the session's.
const shadowsSQL = `do $do$
declare
    r record;
    kind text;
begin
    for r in
        select p.proname, pg_get_function_identity_arguments(p.oid) as args, pg_get_function_result(p.oid) as result
        from pg_proc p
        where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and prolang = 12
            and proname in (select m[1] from pg_proc q join pg_namespace n on n.oid = q.pronamespace, regexp_matches(q.prosrc, '(\w+)\s*\(', 'g') m
                where n.nspname in ('pgq', 'pgq_coop', 'pgq_ext', 'pgq_node', 'londiste', 'skytools'))
            and not exists (select from pg_type t where t.typtype = 'p' and t.oid = any (p.proargtypes::oid[] || p.prorettype))
    loop
        execute format('create function shadow.%I(%s) returns %s language plpgsql as %L', r.proname, r.args, r.result,
            format('begin perform shadow.asked(%L); return null; end', r.proname));
    end loop;
    for r in
        select o.oid, oprname, oprleft::regtype as l, oprright::regtype as r, oprresult::regtype as result
        from pg_operator o
        where oprnamespace = 'pg_catalog'::regnamespace and oprkind = 'b'
            and oprname = any ('{=,<>,<,>,<=,>=,||,+,-,*,%,~,!~,->,->>,?,@>,&&}')
            and not exists (select from pg_type t where t.typtype = 'p' and t.oid in (oprleft, oprright, oprresult))
    loop
        execute format('create function shadow.op_%s(%s, %s) returns %s language plpgsql as %L', r.oid, r.l, r.r, r.result,
            format('begin perform shadow.asked(%L); return null; end', r.oprname));
        execute format('create operator shadow.%s (function = shadow.op_%s, leftarg = %s, rightarg = %s)', r.oprname, r.oid, r.l, r.r);
    end loop;
    foreach kind in array '{text,int4,int8,int2,bool,json,jsonb,oid,name,regclass,timestamptz,interval,bytea,float8}'::text[] loop
        execute format('create domain shadow.%I as pg_catalog.%I check (shadow.asked(%L))', kind, kind, kind);
    end loop;
    for r in select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('pgq', 'skytools') and relkind in ('r', 'S')
            or n.nspname = 'pg_catalog' and relname in ('pg_class', 'pg_attribute', 'pg_index', 'pg_type', 'pg_proc', 'pg_namespace', 'pg_settings')
    loop
        execute format('create temp table %I (x pg_catalog.int4)', r.relname);
    end loop;
    create temp table new_t (x pg_catalog.int4);
    create temp table old_t (x pg_catalog.int4);
end
$do$`

// Whatever a writer puts before the server's own: nothing of it is asked by
// functions that have other rights than his.
func TestShadowedByAWriter(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), setup)
	owner := pgtest.Connect(t, dsn)
	const columns = `(id int primary key, t text, n numeric, at timestamptz, j jsonb, b bytea, a int[], f float8, i interval, u uuid, r int4range, bl bool)`
	pgtest.ExecAll(t, owner, `select pgq.create_queue('q')`, `create table statement_t `+columns, `create table row_t `+columns, `create table changed_t `+columns,
		`create table part_t (id int, k int, primary key (id, k)) partition by list (k)`, `create table part_1 partition of part_t for values in (1)`,
		`create table part_2 partition of part_t for values in (2)`,
		`select skytools.capture_install('q', 'public', n, '{}') from unnest('{statement_t,changed_t,part_t}'::text[]) n`,
		`select skytools.capture_install('q', 'public', 'row_t', '{"mode": "row"}')`,
		`alter table changed_t add later text`) // captured by statements built from the catalogue now
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `do $$ begin if to_regrole('shadow_writer') is null then create role shadow_writer; end if; end $$`,
		`create schema shadow authorization shadow_writer`, `grant usage on schema shadow to public`, `grant all on all tables in schema public to shadow_writer`,
		`grant usage on schema pgq, skytools to shadow_writer`, `grant execute on function pgq.insert_event(text, text, text),
			pgq.insert_event(text, text, text, text, text, text, text), skytools.insert_events(text, text[], text[], text[], text[], text[], text[]) to shadow_writer`,
		`set check_function_bodies = off`, `set session authorization shadow_writer`,
		`create function shadow.asked(what text) returns bool language plpgsql as $$ begin
			if current_user operator(pg_catalog.<>) session_user then raise exception 'asked % as %', what, current_user; end if;
			raise exception 'asked % as oneself', what; end $$`,
		shadowsSQL, `set search_path = pg_temp, shadow, pg_catalog`)
	// The trap closes on a function that does not say what it means.
	pgtest.ExecAll(t, owner, `create function careless() returns bool language sql security definer as $$ select length('a') > 0 $$`)
	_, err := admin.Exec(t.Context(), `select public.careless()`)
	if err == nil || !strings.Contains(err.Error(), "asked length as "+pgtest.Role) {
		t.Fatalf("a careless function: %v", err)
	}
	var writes []string
	for _, table := range []string{"statement_t", "row_t", "changed_t"} {
		writes = append(writes, `insert into public.`+table+` values (1, 'a', 1.5, '2020-01-01', '{"a": 1}', '\x00', '{1}', 1.5, '1 day', null, '[1,2)', true), (2, null, null, null, null, null, null, null, null, null, null, null)`,
			`update public.`+table+` set n = 2`, `update public.`+table+` set id = 7 where id operator(pg_catalog.=) 1`,
			`insert into public.`+table+` (id) values (7) on conflict (id) do update set t = 'u'`,
			`delete from public.`+table, `truncate public.`+table)
	}
	writes = append(writes, `insert into public.part_t values (1, 1), (2, 2)`, `update public.part_t set k = 2 where id operator(pg_catalog.=) 1`,
		`delete from public.part_t`, `truncate public.part_t`,
		`select pgq.insert_event('q', 'a', 'b')`, `select pgq.insert_event('q', 'a', 'b', 'c', 'd', 'e', 'f')`,
		`select skytools.insert_events('q', '{a}', '{b}', null, null, null, null)`)
	for _, sql := range writes {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := pgtest.One[int](t, owner, `select count(*)::int from pgq.event_1`); n < len(writes) {
		t.Errorf("%d events of %d statements", n, len(writes))
	}
}
