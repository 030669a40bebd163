//go:build long

package londiste_test

import (
	"fmt"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// shelf has what one version keeps otherwise than another: constraints of NOT
// NULL, computed and compressed columns, parts, an identity, arrays, numbers as text.
const shelf = `
	create type kind as enum ('novel', 'poem');
	create table shelf (
		id bigint generated always as identity primary key, title text not null, of kind default 'novel',
		price numeric(8, 2) check (price > 0), tags text[], facts jsonb, weight float8, at timestamptz default now(),
		long text generated always as (title || '!') stored, unique (title, of));
	create index on shelf using gin (tags);
	create index on shelf (lower(title)) include (price) where price > 1;
	create table sold (id int, day date, n int, primary key (id, day)) partition by range (day);
	create table sold_old partition of sold for values from ('2020-01-01') to ('2025-01-01');
	create table sold_new partition of sold for values from ('2025-01-01') to ('2030-01-01');
	insert into shelf (title, of, price, tags, facts, weight)
		select 'Book ' || i, case when i % 3 = 0 then 'poem' end::kind, i + 0.25, array['t' || i, null], jsonb_build_object('n', i), i / 7.0
		from generate_series(1, 3000) i;
	insert into sold select i, date '2023-01-01' + i, i from generate_series(1, 1500) i`

// TestBetweenVersions: tables are made, copied, replayed, compared and repaired
// from the oldest version to the newest, and back.
func TestBetweenVersions(t *testing.T) {
	servers := map[int]*pgserver.Server{}
	for _, major := range []int{13, 18} {
		programs, err := pgserver.Find(t.Context(), pgserver.FindOptions{Major: major})
		if err != nil {
			t.Fatal(err)
		}
		servers[major] = pgtest.Own(t, pgserver.Options{Programs: programs})
	}
	for _, way := range [][2]int{{13, 18}, {18, 13}} {
		t.Run(fmt.Sprintf("%d to %d", way[0], way[1]), func(t *testing.T) {
			betweenVersions(t, servers[way[0]], servers[way[1]])
		})
	}
}

func betweenVersions(t *testing.T, from, to *pgserver.Server) {
	p := newPairOn(t, from, to, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.exec(f.provConn, shelf)
	f.exec(f.subConn, `create type kind as enum ('novel', 'poem')`)
	f.ok(f.prov.AddTables(t.Context(), named("shelf", "sold"), londiste.Capture{}))
	f.ok(f.sub.AddTables(t.Context(), named("shelf", "sold"), londiste.AddOptions{CreateFull: true}))
	start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `
		update shelf set price = price * 2, tags = tags || 'more'::text, facts = facts || '{"seen": true}' where id % 2 = 0;
		delete from shelf where id % 5 = 0;
		insert into shelf (title, weight) values ('Late', 1e-300), ('Inf', 'infinity');
		update sold set day = '2026-05-05' where id = 7; delete from sold where id % 4 = 0`)
	f.equal("public.shelf", "public.sold")
	found, _ := f.check()
	if found != "" {
		t.Errorf("check tells: %s", found)
	}
	f.exec(f.subConn, `delete from shelf where id = 11; update shelf set title = 'Changed' where id = 12; insert into sold values (4, '2024-01-05', 4)`)
	if told := f.repair(false); len(told) != 3 {
		t.Errorf("repair would run %q", told)
	}
	f.repair(true)
	f.equal("public.shelf", "public.sold")
	f.ok(f.sub.Compare(t.Context(), londiste.Selection{}, londiste.CompareOptions{}, func(c londiste.Comparison) error {
		if !c.Equal || c.Provider == 0 {
			t.Errorf("after the repair: %+v", c)
		}
		return nil
	}))
}
