package pgtest

import (
	"context"
	"strings"
	"testing"
)

// TestDiffTable breaks one thing at a time and wants to be told of it.
func TestDiffTable(t *testing.T) {
	ctx := context.Background()
	const table = `create table "Odd name" (a int, b text, c float8, d timestamptz, e bytea, f int[], primary key (b, a));
		insert into "Odd name" values (1, 'ä', 0.1, '2026-05-06 07:08:09+02', '\x00ff', '{1,null}'), (2, 'Z', 'NaN', null, null, null), (3, 'a', '-0', 'infinity', '', '{}')`
	p, s := Database(t, Server(t), nil), Database(t, Second(t), nil)
	run(t, Connect(t, p), table)
	run(t, Connect(t, s), table)
	// The pinned settings must win over those of the database.
	run(t, Connect(t, s), `do $$ begin
		execute format('alter database %I set DateStyle = ''German''', current_database());
		execute format('alter database %I set TimeZone = ''Asia/Tokyo''', current_database());
		execute format('alter database %I set bytea_output = ''escape''', current_database()); end $$`)
	pc, sc := ConnectPinned(t, p), ConnectPinned(t, s)
	defer pc.Close(ctx)
	defer sc.Close(ctx)
	for _, c := range []struct{ name, change, want string }{
		{"equal", "", ""},
		{"value", `update public."Odd name" set c = 0.2 where a = 1`, `key {ä,1}, row (1,ä,0.2,`},
		{"null for empty", `update public."Odd name" set e = null where a = 3`, `key {a,3}`},
		{"key", `update public."Odd name" set b = 'y' where a = 2`, `key {Z,2}`},
		{"missing", `delete from public."Odd name" where b = 'ä'`, `3 rows at the provider, 2 at the subscriber; first of the rows only at the provider: key {ä,1}`},
		{"too much", `insert into public."Odd name" (a, b) values (9, 'ö')`, `only at the subscriber: key {ö,9}`},
		{"swapped", `update public."Odd name" set b = case a when 2 then 'a' else 'Z' end where a in (2, 3)`, `first difference`},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, sc, "begin;"+c.change)
			defer run(t, sc, "rollback")
			diff, err := DiffTable(ctx, pc, sc, `public."Odd name"`)
			if err != nil {
				t.Fatal(err)
			}
			if (c.want == "") != (diff == "") || !strings.Contains(diff, c.want) {
				t.Errorf("got %q, want %q", diff, c.want)
			}
		})
	}
}

// TestCatalogFingerprint makes each kind of change and wants to see it.
func TestCatalogFingerprint(t *testing.T) {
	dsn := Database(t, Server(t), nil)
	conn := Connect(t, dsn)
	run(t, conn, "create table x (id int primary key, v text); create function f() returns int language sql as 'select 1'; create sequence q")
	before := CatalogFingerprint(t, dsn)
	run(t, conn, "insert into x values (1, 'a'); select nextval('q'); analyze x; create temp table tmp (id int)")
	if after := CatalogFingerprint(t, dsn); after != before {
		t.Fatalf("data changed the fingerprint:\n%s", after)
	}
	for _, change := range []string{
		"create schema other",
		"alter table x add w int",
		"alter table x alter v set default 'd'",
		"alter table x alter v set not null",
		"create index on x (v)",
		"alter table x add constraint positive check (id > 0) not valid",
		"alter table x validate constraint positive",
		"create or replace function f() returns int language sql as 'select 2'",
		"alter function f() security definer",
		"grant select on x to public",
		"grant select (v) on x to public",
		"comment on table x is 'text'",
		"create trigger tr before update on x for each row execute function suppress_redundant_updates_trigger()",
		"alter table x disable trigger tr",
		"alter table x enable row level security",
		"create policy pol on x using (id > 1)",
		"alter sequence q increment 2",
		"create type e as enum ('a')",
		"alter type e add value 'b'",
		"create view vw as select 1 as one",
		"create or replace view vw as select 2 as one",
		"create rule r as on delete to vw do instead nothing",
		"alter table x set unlogged",
		"alter table x set (fillfactor = 50)",
		"alter table x replica identity full",
		"create table child () inherits (x)",
		"alter table child no inherit x",
		"drop sequence q",
	} {
		run(t, conn, change)
		after := CatalogFingerprint(t, dsn)
		if after == before {
			t.Errorf("not seen: %s", change)
		}
		before = after
	}
}
