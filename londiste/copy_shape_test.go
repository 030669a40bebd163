package londiste_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// A table may be partitioned at the subscriber where the provider's is not.
func TestCopyIntoPartitions(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.exec(f.provConn, `create table visit (id int, at date, v text, primary key (id, at));
		insert into visit select i, date '2026-01-01' + i, 'x' from generate_series(1, 600) i`)
	f.exec(f.subConn, `create table visit (id int, at date, v text, primary key (id, at)) partition by range (at);
		create table visit_1 partition of visit for values from ('2026-01-01') to ('2026-09-01');
		create table visit_rest partition of visit default;
		create index visit_v on visit (v);
		insert into visit values (1, '2026-01-02', 'old'), (2, '2030-01-01', 'old')`)
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	f.add("visit")
	w := start(t, f.inChunks().Run)
	f.allOK()
	f.equal("public.visit")
	f.exec(f.provConn, `update visit set at = at + 300 where id % 7 = 0; delete from visit where id % 11 = 0`)
	f.equal("public.visit")
	f.noCopyLeft()
	f.ok(w.stop())
	f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
}

// A hundred columns, one of them a large value, pass in chunks as well.
func TestCopyOfAWideTable(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	var columns strings.Builder
	for i := range 100 {
		columns.WriteString(", c" + strings.Repeat("i", i+1)[:1+i%50] + "_" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " text default 'value'")
	}
	f.both(`create table book (id int primary key, big bytea` + columns.String() + `); alter table book alter big set storage external`)
	f.exec(f.provConn, `insert into book (id) select generate_series(1, 300);
		insert into book (id, big) select 1000 + i, decode(repeat('ab', 9 << 20), 'hex') from generate_series(1, 2) i`)
	f.add("book")
	w := start(t, f.inChunks().Run)
	f.allOK()
	f.equal("public.book")
	if n := f.ledger(); len(n) != 1 || n[0] < 10 {
		t.Errorf("chunks of each attempt: %v", n)
	}
	f.ok(w.stop())
}

// A partitioned table is captured by its root, copied while it is written to,
// and goes into whatever stands at the subscriber.
func TestPartitionedAtTheProvider(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"plain": "",
		"partitioned otherwise": ` partition by hash (id);
			create table visit_0 partition of visit for values with (modulus 2, remainder 0);
			create table visit_1 partition of visit for values with (modulus 2, remainder 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			f.exec(f.provConn, `create table visit (id int, at date, v text, primary key (id, at)) partition by range (at);
				create table visit_early (v text, at date not null, id int not null, primary key (id, at));
				alter table visit attach partition visit_early for values from ('2026-01-01') to ('2026-09-01');
				create table visit_rest partition of visit default partition by range (id);
				create table visit_x partition of visit_rest default;
				insert into visit select i, date '2026-01-01' + i % 400, 'x' from generate_series(1, 6000) i`)
			f.exec(f.subConn, `create table visit (id int, at date, v text, primary key (id, at))`+target)
			before := pgtest.CatalogFingerprint(t, f.provDSN)
			f.add("visit")
			writes := start(t, func(ctx context.Context) error {
				conn := pgtest.Connect(t, f.provDSN)
				for i := 0; ctx.Err() == nil; i++ {
					for _, sql := range []string{
						`update visit set at = date '2026-01-01' + (id + 300) % 400 where id % 97 = ` + strconv.Itoa(i%97),
						`update visit_early set v = 'leaf' where id % 89 = ` + strconv.Itoa(i%89),
						`delete from visit where id % 101 = ` + strconv.Itoa(i%101),
						`insert into visit_x (id, at, v) select i, '2027-01-01', 'late' from generate_series(10000, 10050) i on conflict do nothing`,
					} {
						if _, err := conn.Exec(context.Background(), sql); err != nil {
							return err
						}
					}
				}
				return nil
			})
			w := start(t, f.inChunks().Run)
			f.allOK()
			f.ok(writes.stop())
			f.equal("public.visit")
			f.exec(f.provConn, `truncate visit_early`)
			f.equal("public.visit")
			f.exec(f.provConn, `create table visit_2030 partition of visit for values from ('2030-01-01') to ('2031-01-01');
				insert into visit_2030 values (1, '2030-05-05', 'new'); update visit set at = '2030-02-02' where id % 50 = 2 and id < 7000`)
			f.equal("public.visit")
			f.exec(f.provConn, `truncate visit; insert into visit values (1, '2026-01-02', 'anew')`)
			f.equal("public.visit")
			f.ok(w.stop())
			f.exec(f.provConn, `drop table visit_2030`)
			f.ok(f.prov.RemoveTables(t.Context(), named("visit")))
			sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.provDSN))
		})
	}
}

// What is a partition of a captured table, and what is captured of it, is
// looked at; what would tell rows twice is refused.
func TestPartitionsOfACapture(t *testing.T) {
	t.Parallel()
	p := ready(t)
	p.exec(p.provConn, `create table part (id int primary key) partition by range (id);
		create table part_1 partition of part for values from (0) to (100); create table part_2 partition of part for values from (100) to (200)`)
	drifts := func(want string) {
		t.Helper()
		got := pgtest.One[string](t, p.provConn, `select coalesce(string_agg(d.drift, '; '), '') from pgq.queue q, skytools.capture_drift(q.queue_name) d`)
		if got != want {
			t.Errorf("drift %q, want %q", got, want)
		}
	}
	p.ok(p.prov.AddTables(t.Context(), named("part"), londiste.Capture{}))
	drifts("")
	p.fails(p.prov.AddTables(t.Context(), named("part_1"), londiste.Capture{}), "table public.part_1 is captured with public.part already", "remove public.part first")
	p.ok(p.prov.AddTables(t.Context(), named("part*"), londiste.Capture{}))
	p.exec(p.provConn, `create table part_3 partition of part for values from (200) to (300)`)
	drifts("partition public.part_3 added: row")
	p.exec(p.provConn, `alter table part_2 disable trigger all`)
	drifts("partition public.part_2 changed: leaf, row -> leaf off, row off; partition public.part_3 added: row")
	p.exec(p.provConn, `alter table part detach partition part_1`)
	drifts("partition public.part_1 is gone; partition public.part_2 changed: leaf, row -> leaf off, row off; partition public.part_3 added: row")
	p.ok(p.prov.AddTables(t.Context(), named("part"), londiste.Capture{}))
	drifts("")
	p.exec(p.provConn, `insert into part_2 values (100); insert into part_3 values (200)`)
	if n := pgtest.One[int](t, p.provConn, `select count(*) from pgq.event_template where ev_type like '{%'`); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	p.ok(p.prov.RemoveTables(t.Context(), named("part")))
	p.ok(p.prov.AddTables(t.Context(), named("part_2"), londiste.Capture{}))
	p.fails(p.prov.AddTables(t.Context(), named("part"), londiste.Capture{}), "table public.part is captured with public.part_2 already", "remove public.part_2 first")
}
