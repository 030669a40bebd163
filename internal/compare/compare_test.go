package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// side is an end with the session that keeps its snapshot.
type side struct {
	*End
	conn *pgx.Conn // to write
	snap *pgx.Conn
}

func open(t testing.TB, name, dsn string) *side {
	t.Helper()
	e, err := Open(t.Context(), name, pgtest.Config(t, dsn), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &side{e, pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)}
}

func pair(t testing.TB) [2]*side {
	t.Helper()
	return [2]*side{
		open(t, "provider", pgtest.Database(t, pgtest.Server(t), nil)),
		open(t, "subscriber", pgtest.Database(t, pgtest.Second(t), nil)),
	}
}

// look takes a snapshot.
func (s *side) look(t testing.TB) {
	t.Helper()
	if s.snap.PgConn().TxStatus() != 'I' {
		pgtest.Exec(t, s.snap, `rollback`)
	}
	pgtest.Exec(t, s.snap, `begin isolation level repeatable read read only`)
	s.Snapshot = pgtest.One[string](t, s.snap, `select pg_export_snapshot()`)
}

var thing = Table{Provider: ident.Name{Schema: "public", Name: "Thing's"}, Subscriber: ident.Name{Schema: "public", Name: "other"}, Key: []string{"id"}}

// found compares and returns the differences, one a line.
func found(t testing.TB, p [2]*side, table Table, o Options) (*Result, string) {
	t.Helper()
	p[0].look(t)
	p[1].look(t)
	var list []string
	o.Each = func(d Difference) error {
		line := fmt.Sprintf("%s %d", d.Kind, d.Count)
		for _, k := range d.Key {
			line += " " + k.Column + "=" + shown(k.Value)
		}
		for _, v := range d.Values {
			line += fmt.Sprintf(" %s: %s/%s", v.Column, shown(v.Provider), shown(v.Subscriber))
		}
		list = append(list, line)
		return nil
	}
	res, err := Compare(t.Context(), p[0].End, p[1].End, table, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Equal == (len(list) > 0) && !o.CountOnly {
		t.Errorf("equal: %v, differences: %q", res.Equal, list)
	}
	return res, strings.Join(list, "\n")
}

func shown(v *string) string {
	if v == nil {
		return "NULL"
	}
	return *v
}

// Each pair of values must be told apart, alone and when another row has them
// the other way round.
var near = []struct{ typ, a, b string }{
	{"text", "''", "null"},
	{"text", "'a'", "'A'"},
	{"text", "'a'", "'a '"},
	{"text", "'null'", "null"},
	{"text", "'é'", "E'e\\u0301'"},
	{"text", "E'\\u0001'", "''"},
	{"varchar(9)", "'b'", "'b '"},
	{"char(3)", "'b'", "null"},
	{"\"char\"", "'a'", "''"},
	{"bytea", "'\\x00'", "'\\x'"},
	{"bytea", "'\\x0001'", "'\\x0100'"},
	{"int2", "1", "-1"},
	{"int4", "0", "null"},
	{"int8", "4294967296", "1"}, // one hash to hashint8
	{"int8", "-1", "4294967295"},
	{"int8", "0", "null"},
	{"numeric", "1.0", "1.00"},
	{"numeric", "5", "-5"}, // one hash to hash_numeric
	{"numeric", "1", "10000"},
	{"numeric", "'NaN'", "0"},
	{"float8", "0", "'-0'"},
	{"float8", "0.1", "0.10000000000000002"},
	{"float8", "'NaN'", "'Infinity'"},
	{"float4", "16777216", "16777218"},
	{"bool", "false", "null"},
	{"date", "'infinity'", "'9999-12-31'"},
	{"timestamptz", "'2024-01-01 00:00:00+00'", "'2024-01-01 00:00:00.000001+00'"},
	{"timestamptz", "'2000-01-01 00:00:00+00'", "'2000-01-01 01:11:34.967297+00'"}, // one hash to timestamp_hash
	{"timestamp", "'-infinity'", "'infinity'"},
	{"timestamp", "'4714-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"},
	{"timetz", "'12:00+00'", "'13:00+01'"},
	{"interval", "'1 month'", "'30 days'"}, // equal to the server
	{"interval", "'24 hours'", "'1 day'"},
	{"uuid", "'00000000-0000-0000-0000-000000000000'", "null"},
	{"json", `'{"a":1}'`, `'{"a": 1}'`},
	{"json", `'{"a":1,"b":2}'`, `'{"b":2,"a":1}'`},
	{"jsonb", `'{"a":1.0}'`, `'{"a":1.00}'`}, // equal to the server
	{"jsonb", "'null'", "null"},
	{"jsonb", `'"1"'`, "'1'"},
	{"int[]", "'{}'", "null"},
	{"int[]", "'{1,2}'", "'{{1,2}}'"},
	{"int[]", "'[0:1]={1,2}'", "'{1,2}'"},
	{"text[]", "'{null}'", `'{"null"}'`},
	{"text[]", `'{"a,b"}'`, "'{a,b}'"},
	{"pair", "'(,)'", "null"},
	{"pair", "'(1,)'", `'(1,"")'`},
	{"mood", "'sad'", "'ok'"},
	{"short", "'x'", "'X'"},
	{"inet", "'10.0.0.1'", "'10.0.0.1/24'"},
	{"int4range", "'empty'", "'[1,2)'"},
	{"bit varying", "'1'", "'10'"},
	{"xml", "'<a/>'", "'<a />'"},
	{"tsvector", "'a:1'", "'a:2'"},
	{"point", "'(0,0)'", "'(0,-0)'"},
	{"money", "1", "1.01"},
}

const types = `create type pair as (a int, b text); create type mood as enum ('sad', 'ok'); create domain short as varchar(3)`

// TestNearMisses: values that one could take for equal.
func TestNearMisses(t *testing.T) {
	p := pair(t)
	pgtest.Exec(t, p[0].conn, types)
	// User types have other numbers here.
	pgtest.Exec(t, p[1].conn, `create table before (a int); `+types)
	ways := []bool{false}
	if pgtest.Long() {
		ways = append(ways, true)
	}
	for _, md5 := range ways {
		for i, c := range near {
			for end, name := range []string{`"Thing's"`, "other"} {
				pgtest.Exec(t, p[end].conn, fmt.Sprintf(`drop table if exists %s; create table %[1]s (id int primary key, v %s, w %[2]s)`, name, c.typ))
			}
			put := func(end int, name, a, b string) {
				pgtest.Exec(t, p[end].conn, fmt.Sprintf(`truncate %s; insert into %[1]s values (1, %s, null), (2, null, %s), (3, %[2]s, %[3]s)`, name, a, b))
			}
			check := func(what, other string, rows int64) {
				t.Helper()
				res, list := found(t, p, thing, Options{md5: md5})
				if res.Differing != rows || res.Missing+res.Extra != 0 {
					t.Errorf("%d %s, md5 %v: %s/%s: %s: %+v\n%s", i, c.typ, md5, c.a, c.b, what, res, list)
				}
			}
			put(0, `"Thing's"`, c.a, c.b)
			put(1, "other", c.a, c.b)
			check("equal", "", 0)
			put(1, "other", c.b, c.b)
			check("one value", "", 2)
			pgtest.Exec(t, p[1].conn, `update other set v = null, w = `+c.a+` where id = 2`)
			pgtest.Exec(t, p[1].conn, fmt.Sprintf(`update other set v = %s, w = null where id = 1`, c.b))
			check("swapped between rows", "", 3)
		}
	}
}

// TestWhole is what else may be different and is not, and the other way round.
func TestWhole(t *testing.T) {
	p := pair(t)
	pgtest.Exec(t, p[0].conn, `create table "Thing's" (id bigint primary key, "A ""b'" text, n numeric, gone int, at timestamptz, g int generated always as (1) stored, more int)`)
	pgtest.Exec(t, p[0].conn, `insert into "Thing's" (id, "A ""b'", n, at) select i, 'text ' || i, i / 7.0, timestamptz '2024-01-01' + i * interval '1 hour' from generate_series(1, 20000) i`)
	pgtest.Exec(t, p[0].conn, `alter table "Thing's" drop column gone`)
	// Another order, a dropped column, another type of the same text, partitions.
	pgtest.Exec(t, p[1].conn, `create table other (at timestamptz, n numeric, dead text, g int generated always as (2) stored, "A ""b'" varchar, id bigint, more int, own int default 5) partition by range (id)`)
	pgtest.Exec(t, p[1].conn, `alter table other drop column dead`)
	pgtest.Exec(t, p[1].conn, `create table part1 partition of other for values from (minvalue) to (7000)`)
	pgtest.Exec(t, p[1].conn, `create table part2 ("A ""b'" varchar, own int, id bigint, more int, at timestamptz, n numeric, g int generated always as (2) stored)`)
	pgtest.Exec(t, p[1].conn, `alter table other attach partition part2 for values from (7000) to (maxvalue)`)
	pgtest.Exec(t, p[1].conn, `insert into other (id, "A ""b'", n, at) select i, 'text ' || i, i / 7.0, timestamptz '2024-01-01' + i * interval '1 hour' from generate_series(20000, 1, -1) i`)
	res, _ := found(t, p, thing, Options{})
	if !res.Equal || res.Provider != 20000 || res.Subscriber != 20000 {
		t.Errorf("%+v", res)
	}
	if notes := strings.Join(res.Notes, "\n"); notes != "column \"g\" is generated at the subscriber, and not compared\ncolumn \"own\" does not exist at the provider" {
		t.Errorf("notes:\n%s", notes)
	}
	pgtest.Exec(t, p[1].conn, `delete from other where id in (5, 15000); update other set n = n + 1, at = null where id = 7777;
		insert into other (id) values (-3); insert into other (id, "A ""b'", n, at) select id, "A ""b'", n, at from other where id = 9; update other set more = 0 where id = 10 or id = 9`)
	want := []string{
		"missing 1 id=5", "missing 1 id=15000", "extra 1 id=-3", "extra 1 id=9",
		"differing 1 id=9 more: NULL/0", "differing 1 id=10 more: NULL/0",
		"differing 1 id=7777 at: 2024-11-20 01:00:00+00/NULL n: 1111.0000000000000000/1112.0000000000000000",
	}
	for _, o := range []Options{{}, {md5: true}, {Pace: Pace{Yield: true}}, {Pace: Pace{MaxRate: 50 << 20}}} {
		res, list := found(t, p, thing, o)
		for _, w := range want {
			if !strings.Contains("\n"+list+"\n", "\n"+w+"\n") {
				t.Errorf("%+v: no %q in\n%s", o, w, list)
			}
		}
		if res.Missing != 2 || res.Extra != 2 || res.Differing != 3 {
			t.Errorf("%+v: %+v\n%s", o, res, list)
		}
	}
	some := thing
	some.Where = "id between 100 and 7000 -- not those"
	if res, list := found(t, p, some, Options{}); !res.Equal || res.Provider != 6901 {
		t.Errorf("%+v %s", res, list)
	}
	if res, list := found(t, p, thing, Options{CountOnly: true}); res.Equal || list != "" {
		t.Errorf("%+v %s", res, list)
	}

	keyless := thing
	keyless.Key = nil
	pgtest.Exec(t, p[1].conn, `drop table other; create table other (id bigint, "A ""b'" text, n numeric, at timestamptz, more int)`)
	pgtest.Exec(t, p[1].conn, `insert into other select i, 'text ' || i, i / 7.0, timestamptz '2024-01-01' + i * interval '1 hour', null from generate_series(20000, 1, -1) i`)
	pgtest.Exec(t, p[1].conn, `insert into other select o.* from other o, generate_series(1, 3) where id = 3; delete from other where id = 4`)
	res, list := found(t, p, keyless, Options{})
	if res.Extra != 3 || res.Missing != 1 || !strings.Contains(list, "extra 3 A \"b': NULL/text 3") || !strings.Contains(list, "missing 1 A \"b': text 4/NULL") {
		t.Errorf("%+v\n%s", res, list)
	}
}

// TestRewritten: a snapshot sees nothing in a table that was emptied or
// rewritten since, which must not pass for what is there.
func TestRewritten(t *testing.T) {
	p := pair(t)
	for end, name := range []string{`"Thing's"`, "other"} {
		for _, change := range []string{
			"truncate %s", "vacuum full %s", "alter table %s alter v type bigint", "drop table %s",
			"alter table %s rename to away; create table %[1]s (id int primary key, v int); drop table away",
			"alter table %s rename to away; alter table twin rename to %[1]s; alter table away rename to twin",
		} {
			pgtest.Exec(t, p[end].conn, `drop table if exists twin; create table twin (id int primary key, v int); insert into twin values (1, 1)`)
			for e, n := range []string{`"Thing's"`, "other"} {
				pgtest.Exec(t, p[e].conn, fmt.Sprintf(`drop table if exists %s; create table %[1]s (id int primary key, v int); insert into %[1]s values (1, 1)`, n))
				p[e].look(t)
			}
			pgtest.Exec(t, p[end].conn, fmt.Sprintf(change, name))
			_, err := Compare(t.Context(), p[0].End, p[1].End, thing, Options{})
			if !errors.Is(err, ErrRewritten) && !errors.Is(err, ErrNoTable) {
				t.Errorf("%s at the %s: %v", change, p[end].Name, err)
			}
		}
	}
	if _, err := Compare(context.Background(), p[0].End, p[1].End, Table{Provider: thing.Subscriber, Subscriber: thing.Subscriber}, Options{}); !errors.Is(err, ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
}

// An end that others wait for holds up both, until it has been read.
func TestBusyEndHoldsUpBoth(t *testing.T) {
	var a, b End
	a.peer, b.peer = &b, &a
	if !a.busy() || !b.busy() {
		t.Error("what is not known counts as busy")
	}
	a.load.scans.Add(1)
	b.load.scans.Add(1)
	a.load.calm.Store(true)
	if !a.busy() || !b.busy() {
		t.Error("the calm one is ahead of the busy one")
	}
	b.load.scans.Add(-1)
	if a.busy() {
		t.Error("the busy one has been read: nobody waits there")
	}
}
