package londiste_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// bait are functions and an operator whose arguments fit what our statements
// ask for better than the server's own: resolved by a path with the schema
// public on it, they would run as whoever runs us.
const bait = `
	create table public.caught (what text);
	create function public.catch(what text) returns void language sql as 'insert into public.caught values (what)';
	create function public.has_table_privilege(t regclass, text) returns bool language sql
		as $$ select public.catch('has_table_privilege'); select pg_catalog.has_table_privilege($1::oid, $2) $$;
	create function public.pg_relation_size(oid) returns bigint language sql
		as $$ select public.catch('pg_relation_size'); select pg_catalog.pg_relation_size($1::regclass) $$;
	create function public.concat(%[1]s) returns text language sql
		as $$ select public.catch('concat'); select pg_catalog.concat($1) $$;
	create function public.num_nonnulls(%[1]s) returns int language sql
		as $$ select public.catch('num_nonnulls'); select pg_catalog.num_nonnulls($1) $$;
	create function public.same(%[1]s, %[1]s) returns bool language sql
		as $$ select public.catch('='); select $1::text operator(pg_catalog.=) $2::text $$;
	create operator public.= (leftarg = %[1]s, rightarg = %[1]s, function = public.same);
	create function public.join(text, name) returns text language sql
		as $$ select public.catch('||'); select pg_catalog.concat($1, $2) $$;
	create operator public.|| (leftarg = text, rightarg = name, function = public.join)`

// A role that may create in a schema of the path must not have its functions
// run by us.
func TestNothingOfThePathRuns(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(fmt.Sprintf(bait, "varchar"))
	f.both(`create table public.lured (id varchar primary key, v varchar)`)
	f.exec(f.provConn, `insert into public.lured select i::text, 'v' from generate_series(1, 20) i`)
	f.add("lured")
	start(t, f.worker.Run)
	f.eventually(f.subConn, "select coalesce(merge_state, '') from londiste.table_info where table_name = 'public.lured'", "ok")
	f.exec(f.provConn, `update public.lured set v = 'w' where v = 'v'`)
	f.eventually(f.subConn, "select count(*)::text from public.lured where v::text operator(pg_catalog.=) 'w'", "20")
	f.both("truncate public.caught") // what this test's own statements have set off

	f.exec(f.subConn, `delete from only public.lured where (id collate "C")::text operator(pg_catalog.=) '3'`)
	nothing := func(string) error { return nil }
	done := func(londiste.Comparison, int64) error { return nil }
	f.ok(f.sub.Repair(t.Context(), named("lured"), londiste.CompareOptions{}, false, nothing, done))
	f.ok(f.sub.Repair(t.Context(), named("lured"), londiste.CompareOptions{}, true, nothing, done))
	f.eventually(f.subConn, "select count(*)::text from public.lured", "20")
	f.ok(f.sub.Resync(t.Context(), named("lured")))
	f.eventually(f.subConn, "select coalesce(merge_state, '') from londiste.table_info where table_name = 'public.lured'", "ok")
	for side, conn := range map[string]*pgx.Conn{"provider": f.provConn, "subscriber": f.subConn} {
		ran := pgtest.One[string](t, conn, "select coalesce(string_agg(distinct what, ', '), '') from public.caught")
		if ran != "" {
			t.Errorf("%s: functions of the schema public ran: %s", side, ran)
		}
	}
}
