package londiste_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

const noKeyDDL = `create table log (n numeric, v text, doc json, at point, x xml, tags text[], big text, s int generated always as (length(v)) stored)`

// addNoKey registers tables without a key at both sides.
func (f *flow) addNoKey(names ...string) {
	f.t.Helper()
	f.ok(f.prov.AddTables(f.t.Context(), named(names...), londiste.Capture{NoKey: true}))
	f.ok(f.sub.AddTables(f.t.Context(), named(names...), londiste.AddOptions{}))
}

// writeNoKey makes, changes and deletes rows, of equal ones a few, until it is
// stopped.
func (f *flow) writeNoKey() *running {
	return start(f.t, func(ctx context.Context) error {
		conn := pgtest.Connect(f.t, f.provDSN)
		rnd := rand.New(rand.NewPCG(1, 2))
		for ctx.Err() == nil {
			v := rnd.IntN(5)
			some := fmt.Sprintf("where ctid = any (array(select ctid from log where v = 'v%d' limit %d))", v, rnd.IntN(4))
			sql := []string{
				fmt.Sprintf(`insert into log (n, v, doc, at, x, tags) select 1.%0*d, 'v%d', '{"a" :1}', '(1,2)', '<x/>', '{NULL,b}' from generate_series(1, 4)`, 1+v%2, 0, v),
				"update log set n = n + 1 " + some,
				"update log set v = null " + some,
				"update log set v = 'v3' where v is null",
				"delete from log " + some,
				"update log set doc = doc " + some,
				"begin; insert into log (v) values ('gone'), ('gone'); savepoint s; delete from log where v = 'gone'; rollback to s; delete from log where ctid = (select ctid from log where v = 'gone' limit 1); commit",
			}[rnd.IntN(7)]
			if rnd.IntN(200) == 0 {
				sql = "truncate log"
			}
			if err := conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// A table without a key is copied and followed while it is written to, with
// workers that are stopped anywhere: no row comes twice, none is lost.
func TestTableWithoutKey(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(noKeyDDL)
	f.exec(f.provConn, `insert into log (n, v, big) select i % 10, 'v' || i % 5, repeat('x', 500) from generate_series(1, 3000) i`)
	f.exec(f.subConn, `insert into log (v) values ('old'); create index log_v on log (v)`)
	before := pgtest.CatalogFingerprint(t, f.provDSN)
	f.addNoKey("log")
	f.eventually(f.provConn, `select key_columns::text || mode from skytools.capture`, "{}row")
	writes := f.writeNoKey()
	for range 12 {
		w := start(t, f.newWorker().Run)
		f.eventually(f.subConn, `select (random() < 0.06)::text`, "true")
		f.ok(w.stop())
	}
	w := start(t, f.worker.Run)
	f.allOK()
	f.ok(writes.stop())
	f.equal("public.log")
	f.ok(f.sub.Resync(t.Context(), named("log")))
	writes = f.writeNoKey()
	f.eventually(f.subConn, `select coalesce(merge_state, '') from londiste.table_info`, "ok")
	f.ok(writes.stop())
	f.equal("public.log")
	if n := pgtest.One[int64](t, f.subConn, `select coalesce(sum(diverged), 0) from skytools.table_counter`); n != 0 {
		t.Errorf("%d rows found otherwise than told", n)
	}
	f.ok(w.stop())
	f.ok(f.prov.RemoveTables(t.Context(), named("log")))
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.provDSN))
}

// A key that comes later is used when the table is added again.
func TestKeyComesLater(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table late (id int not null, v text)`)
	f.fails(f.prov.AddTables(t.Context(), named("late"), londiste.Capture{}), "table public.late has no primary key", "--no-key")
	f.addNoKey("late")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into late values (1, 'a'), (2, 'b'); update late set v = 'c' where id = 2`)
	f.equal("public.late")
	f.both(`alter table late add primary key (id)`)
	f.exec(f.provConn, `insert into late values (3, 'still by rows')`)
	f.ok(f.prov.AddTables(t.Context(), named("late"), londiste.Capture{}))
	f.eventually(f.provConn, `select key_columns::text || mode || options from skytools.capture`, "{id}statement{}")
	f.exec(f.provConn, `update late set v = 'by key'; delete from late where id = 1`)
	f.equal("public.late")
	f.ok(w.stop())
}
