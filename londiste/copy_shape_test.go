package londiste_test

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// A table may be partitioned at the subscriber where the provider's is not.
func TestCopyIntoPartitions(t *testing.T) {
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
