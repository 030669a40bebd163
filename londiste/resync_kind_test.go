package londiste_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// keysOf are values that are hard to tell again by their text: rounded, padded,
// without order, equal where their text differs.
var keysOf = map[string][]string{
	"bigint":              {"-9223372036854775808", "9223372036854775807", "9007199254740993", "0"},
	"numeric":             {"1.50", "1e-100", "123456789012345678901234567890.000000000000000000001", "'NaN'", "0.0"},
	"float8":              {"'-0'", "'NaN'", "'Infinity'", "0.1::float8 + 0.2", "5e-324"},
	"float4":              {"'NaN'", "16777217", "0.1"},
	"uuid":                {"'00000000-0000-0000-0000-000000000001'", "'{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'"},
	"bytea":               {`'\x'`, `'\x00ff5c27'`, `'\\\047'`},
	"char(5)":             {"'a'", "'a b'", "''"},
	"text":                {"''", "' '", "'NULL'", `'\N'`, `'a''b"c\d'`, "e'line\\nbreak\\ttab'", "'Ω€𝄞'", "'{}'"},
	`text collate "ci"`:   {"'Straße'", "'É'", "'x'"},
	"timestamptz":         {"'infinity'", "'-infinity'", "'2026-03-29 02:30:00.123456 Europe/Tallinn'", "'0044-03-15 12:00 BC'"},
	"date":                {"'infinity'", "'0001-01-01 BC'", "'2026-02-28'"},
	"interval":            {"'1 mon'", "'29 days 23:59:59.999999'", "'-1 year 2 days'"},
	"time with time zone": {"'12:00+02'", "'24:00:00-12:34'"},
	"bit varying":         {"b'0'", "b'101'", "b''"},
	"bool":                {"true", "false"},
	"jsonb":               {`'{"b": 1.50, "a": null}'`, `'"Ω"'`, "'[]'"},
	"int[]":               {"'{}'", "'{1,NULL,3}'", "'[0:1]={1,2}'"},
	"int4range":           {"'empty'", "'[1,5)'", "'(,)'"},
	"inet":                {"'10.0.0.1/8'", "'::1'"},
	"pair":                {"'(1,a)'", `'(,"b ""c")'`},
	"mood":                {"'so so'", "'Ωk'"},
}

// quickKinds are those of the quick run.
var quickKinds = []string{"jsonb", "float8", "char(5)", `text collate "ci"`, "text", "pair"}

// Rows of every kind of key are found by a comparison, copied anew and repaired.
func TestResyncOfEveryKindOfKey(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create type pair as (a int, b text); create type mood as enum ('so so', 'Ωk');
		create collation ci (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`)
	var names, hashed []string
	i := 0
	for kind, keys := range keysOf {
		if !pgtest.Long() && !slices.Contains(quickKinds, kind) {
			continue
		}
		name := fmt.Sprintf("k%02d", i)
		i++
		f.both(fmt.Sprintf(`create table %s (k %s primary key, v text); comment on table %[1]s is $$%[2]s$$`, name, kind))
		for n, k := range keys {
			f.exec(f.provConn, fmt.Sprintf(`insert into %s values (%s, 'v%d')`, name, k, n))
		}
		names = append(names, name)
		hashed = append(hashed, "public."+name)
	}
	shown := strings.Join(names, " ok, ") + " ok"
	f.add(names...)
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal(hashed...)
	spoil := func() {
		for _, name := range names {
			f.exec(f.subConn, fmt.Sprintf(`delete from %s where v = 'v0'; update %[1]s set v = 'spoilt' where v = 'v1'`, name))
		}
	}
	spoil()
	f.ok(f.sub.ResyncDifferent(t.Context(), named(names...), londiste.CompareOptions{}))
	f.shows(shown)
	f.equal(hashed...)
	spoil()
	f.repair(true)
	f.equal(hashed...)
	f.noCopyLeft()
	f.nothingAsked()
	f.ok(w.stop())
}

// The rows of a partitioned table are copied anew into another's partitions,
// those that lie in a wrong one of them too.
func TestResyncOfAPartitionedTable(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.exec(f.provConn, `create table visit (id int, at date, v text, primary key (id, at)) partition by range (at);
		create table visit_early (v text, at date not null, id int not null, primary key (id, at));
		alter table visit attach partition visit_early for values from ('2026-01-01') to ('2026-09-01');
		create table visit_rest partition of visit default;
		insert into visit select i, date '2026-01-01' + i % 400, 'x' from generate_series(1, 2000) i`)
	f.exec(f.subConn, `create table visit (at date, id int, v text, primary key (id, at)) partition by hash (id);
		create table visit_0 partition of visit for values with (modulus 2, remainder 0);
		create table visit_1 partition of visit for values with (modulus 2, remainder 1)`)
	f.add("visit")
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal("public.visit")
	f.exec(f.subConn, `update visit set at = at + 500 where id % 10 = 1; delete from visit where id % 10 = 2;
		update visit set v = 'spoilt' where id % 10 = 3; insert into visit select date '2026-05-05', -i, 'extra' from generate_series(1, 50) i`)
	f.ok(f.sub.ResyncDifferent(t.Context(), named("visit"), londiste.CompareOptions{}))
	f.logged("Resyncing public.visit: 850 rows (400 missing, 250 extra, 200 differing)")
	f.exec(f.provConn, `update visit set at = at + 250 where id % 20 in (1, 2, 3)`)
	f.shows("visit ok")
	f.equal("public.visit")
	f.exec(f.subConn, `delete from visit where id % 10 = 4; update visit set at = '2031-01-01' where id % 10 = 5`)
	f.ok(f.sub.ResyncWhere(t.Context(), named("visit"), "id % 10 in (4, 5)"))
	f.exec(f.provConn, `delete from visit where id % 20 = 5`)
	f.shows("visit ok")
	f.equal("public.visit")
	f.exec(f.subConn, `delete from visit_0 where v = 'x' and id % 10 = 6`)
	f.repair(true)
	f.equal("public.visit")
	f.noCopyLeft()
	f.nothingAsked()
	f.ok(w.stop())
}
