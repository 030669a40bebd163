package londiste_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// A table that is taken to be in sync has no copy, and may be emptied before a
// worker has looked at anything.
func TestUnloggedBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	subscriber := pgtest.Own(t, pgserver.Options{})
	p := newPairOn(t, subscriber, subscriber, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.exec(f.provConn, `create table book (id int primary key); insert into book values (1), (2)`)
	f.exec(f.subConn, `create unlogged table book (id int primary key); insert into book values (1), (2)`)
	f.ok(f.prov.AddTables(t.Context(), named("book"), londiste.Capture{}))
	f.ok(f.sub.AddTables(t.Context(), named("book"), londiste.AddOptions{ExpectSync: true}))
	f.ok(subscriber.Stop(t.Context(), "immediate"))
	f.ok(subscriber.Restart(t.Context()))
	f.provConn, f.subConn = pgtest.Connect(t, f.provDSN), pgtest.Connect(t, f.subDSN)
	f.same(value[int](p, f.subConn, `select count(*) from book`), 0)
	w := start(t, f.worker.Run)
	f.says(`emptied an unlogged table: copying it anew" side=subscriber table=public.book`)
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
}

// An unlogged table that a crash has emptied, of either server, is copied anew,
// and no other.
func TestUnloggedAfterACrash(t *testing.T) {
	t.Parallel()
	provider, subscriber := pgtest.Own(t, pgserver.Options{}), pgtest.Own(t, pgserver.Options{})
	p := newPairOn(t, provider, subscriber, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.exec(f.provConn, `create unlogged table both_sides (id int primary key); create unlogged table there (id int primary key);
		create table here (id int primary key); create table neither (id int primary key)`)
	f.exec(f.subConn, `create unlogged table both_sides (id int primary key); create table there (id int primary key);
		create unlogged table here (id int primary key); create table neither (id int primary key)`)
	all := []string{"both_sides", "there", "here", "neither"}
	fill := func(from int) {
		for _, table := range all {
			f.exec(f.provConn, fmt.Sprintf(`insert into %s select generate_series(%d, %d)`, table, from, from+99))
		}
	}
	f.add(all...)
	fill(1)
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal("public.both_sides", "public.there", "public.here", "public.neither")
	copies := func(table string, want int) {
		t.Helper()
		f.same(strings.Count(f.log.String(), "msg=\"Copy finished\" table=public."+table+" "), want)
	}

	f.ok(subscriber.Stop(t.Context(), "immediate"))
	f.exec(f.provConn, `delete from here where id = 5`)
	f.ok(subscriber.Restart(t.Context()))
	f.subConn = pgtest.Connect(t, f.subDSN)
	f.says(`emptied an unlogged table: copying it anew" side=subscriber table=public.here`)
	f.allOK()
	fill(1000)
	f.equal("public.both_sides", "public.there", "public.here", "public.neither")
	copies("both_sides", 2)
	copies("here", 2)
	copies("there", 1)
	copies("neither", 1)

	// No tick lies between the last rows, which the crash takes, and the copy: their
	// events must not bring them back.
	f.exec(f.provConn, `select pgq.set_queue_config('londiste.write', 'ticker_paused', '1')`)
	fill(1500)
	f.ok(provider.Stop(t.Context(), "immediate"))
	f.ok(provider.Restart(t.Context()))
	f.provConn = pgtest.Connect(t, f.provDSN)
	f.same(pgtest.One[int](t, f.provConn, `select count(*) from there`), 0)
	f.exec(f.provConn, `insert into there values (7); insert into both_sides values (8)`)
	f.says(`emptied an unlogged table: copying it anew" side=provider table=public.there`)
	f.eventually(f.subConn, `select (count(custom_snapshot) = 2)::text from londiste.table_info`, "true")
	f.exec(f.provConn, `select pgq.set_queue_config('londiste.write', 'ticker_paused', '0')`)
	f.eventually(f.subConn, `select (count(*) = 1)::text from there`, "true")
	f.allOK()
	fill(2000)
	f.equal("public.both_sides", "public.there", "public.here", "public.neither")
	copies("both_sides", 3)
	copies("there", 2)
	copies("here", 2)
	copies("neither", 1)

	// A clean stop keeps the rows, and nothing is copied.
	f.ok(provider.Stop(t.Context(), "fast"))
	f.ok(provider.Restart(t.Context()))
	f.provConn = pgtest.Connect(t, f.provDSN)
	fill(3000)
	f.equal("public.both_sides", "public.there", "public.here", "public.neither")
	copies("both_sides", 3)
	f.ok(w.stop())
}
