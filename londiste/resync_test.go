package londiste_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

// Rows of a range, wherever they differ: changed, lost, added, under another key
// and with other values in the condition's column. What is outside stays wrong,
// and what is equal is not written.
func TestResyncOfSomeRows(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create schema "My ""Books"; create table "My ""Books"."The 'B'" ("Key ""1" int, k2 varchar(3), "Shelf" int, isbn int unique,
			twice int generated always as (isbn * 2) stored, nr int generated always as identity, primary key ("Key ""1", k2));
		create table other (id int primary key)`)
	const book = `"My ""Books"."The 'B'"`
	f.exec(f.provConn, `insert into `+book+` select i, 'k' || i % 2, i % 10, i from generate_series(1, 2000) i`)
	f.add(book, "other")
	w := start(t, f.worker.Run)
	f.allOK()
	f.caughtUp()
	f.exec(f.subConn, `
		update `+book+` set isbn = -isbn where "Key ""1" between 101 and 120; -- unique values are exchanged
		update `+book+` set isbn = case "Key ""1" when 130 then 131 else 130 end + 10000 where "Key ""1" in (130, 131);
		update `+book+` set isbn = isbn - 10000 where "Key ""1" in (130, 131);
		delete from `+book+` where "Key ""1" between 140 and 150;
		insert into `+book+` select i, 'new', 1, -i - 5000 from generate_series(150, 160) i;
		update `+book+` set "Key ""1" = "Key ""1" + 100000 where "Key ""1" between 170 and 175; -- out of the range: lost in it
		update `+book+` set isbn = isbn + 500000 where "Key ""1" in (5, 1500)`)
	was := value[string](f.pair, f.subConn, `select xmin::text || ctid::text from `+book+` where "Key ""1" = 180`)
	f.ok(f.sub.ResyncWhere(t.Context(), named(book), `"Key ""1" % 100000 between 100 and 200 -- both`))
	f.exec(f.provConn, `insert into other values (1)`)
	f.says("Part of the table copied anew")
	f.shows("The 'B' ok, other ok")
	f.equal("public.other")
	rows := func(conn *pgx.Conn) string {
		return value[string](f.pair, conn, `select count(*) || md5(string_agg(b::text, ';' order by "Key ""1", k2))
			from `+book+` b where "Key ""1" not in (5, 1500)`)
	}
	if there, here := rows(f.provConn), rows(f.subConn); there != here {
		t.Errorf("%s at the provider, %s at the subscriber", there, here)
	}
	if n := value[int](f.pair, f.subConn, `select count(*)::int from `+book+` where isbn = "Key ""1" + 500000`); n != 2 {
		t.Errorf("%d rows outside the condition are as they were, want 2", n)
	}
	if now := value[string](f.pair, f.subConn, `select xmin::text || ctid::text from `+book+` where "Key ""1" = 180`); now != was {
		t.Errorf("a row that was equal was written: %s, %s", was, now)
	}
	f.noCopyLeft()

	// The rest is found by a comparison. A second one finds nothing.
	f.ok(f.sub.ResyncDifferent(t.Context(), named(book), londiste.CompareOptions{}))
	f.logged(`Resyncing "My ""Books"."The 'B'": 2 rows (0 missing, 0 extra, 2 differing)`)
	f.shows("The 'B' ok, other ok")
	f.equal(book)
	f.ok(f.sub.ResyncDifferent(t.Context(), named(book), londiste.CompareOptions{}))
	f.logged("is equal at both sides: nothing to resync")
	f.noCopyLeft()
	f.nothingAsked()
	f.ok(w.stop())
}

// nothingAsked wants no trace of a resync of parts.
func (f *flow) nothingAsked() {
	f.t.Helper()
	f.eventually(f.subConn, `select (select count(*) from skytools.resync_part) || ' ' || (select count(*) from skytools.resync_key)
		|| ' ' || (select count(*) from skytools.parked_table)`, "0 0 0")
}

// What cannot be done is refused before the table is touched.
func TestResyncOfSomeRowsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table memo (id int primary key)`)
	f.exec(f.provConn, `alter table book add there int`)
	f.exec(f.subConn, `alter table book add here int, add there int; create function public.mine(int) returns bool language sql as 'select true'`)
	f.add("book", "memo")
	f.exec(f.subConn, `alter table book drop there`)
	ctx := t.Context()
	for where, text := range map[string]string{
		"":                        "at the provider",
		"id = ":                   "syntax error",
		"id = 1); drop table x--": "at the provider",
		"id":                      "must be type boolean",
		"here = 1":                "at the provider: ERROR: column \"here\" does not exist",
		"there = 1":               "at the subscriber: ERROR: column \"there\" does not exist",
		"mine(id)":                "function mine(integer) does not exist",
		"public.mine(id)":         "at the provider",
		"id = $1":                 "it has parameters",
	} {
		f.fails(f.sub.ResyncWhere(ctx, named("book"), where), text, "names outside pg_catalog")
	}
	f.fails(f.sub.ResyncWhere(ctx, named("book", "memo"), "true"), "A condition is one table's", "")
	f.fails(f.sub.ResyncWhere(ctx, named("nosuch"), "true"), "Table public.nosuch not found", "subscriber tables")
	f.fails(f.sub.ResyncWhere(ctx, named("book"), "true"), "is not in stable state", "its state is -")
	f.fails(f.sub.ResyncDifferent(ctx, londiste.Selection{}, londiste.CompareOptions{}), "no table named", "")
	f.exec(f.subConn, `alter table book add there int`)
	w := start(t, f.worker.Run)
	f.allOK()
	f.ok(w.stop())
	f.exec(f.provConn, "begin; lock table book")
	f.fails(f.sub.ResyncWhere(ctx, named("book"), "true"), "table public.book at the provider is held against readers", "end the transaction")
	f.exec(f.provConn, "rollback")
	f.ok(f.sub.ResyncWhere(ctx, named("book"), "random() < 2"))
	f.shows("book resyncing, memo ok")
	f.fails(f.sub.ResyncWhere(ctx, named("book"), "true"), "is being copied anew already: rows where random() < 2", "wait-sync")
	if st := f.sub.ReadStatus(ctx); st.Consistent || st.Parked() || st.Tables[0].Resync == nil || st.Tables[0].Resync.Where != "random() < 2" {
		t.Errorf("status: %+v", st)
	}
	f.ok(f.sub.RemoveTables(ctx, named("book")))
	f.nothingAsked()
}

// A condition that fails when it is asked parks the table with its error; one
// that does not brings it back. So does one that has what a change was refused for.
func TestResyncOfAParkedTable(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, isbn int unique, title text); create table memo (id int primary key)`)
	f.exec(f.provConn, `insert into book select i, i, 'old' from generate_series(1, 100) i`)
	f.add("book", "memo")
	w := start(t, f.quickly().Run)
	f.allOK()
	f.equal("public.book")
	ctx := t.Context()
	f.ok(f.sub.ResyncWhere(ctx, named("book"), "1 / (id - 5) = 0"))
	f.shows("book parked, memo ok")
	st := f.sub.ReadStatus(ctx)
	if text := fmt.Sprint(st.Problems); !strings.Contains(text, "copy rows where 1 / (id - 5) = 0 anew: subscriber: ERROR: division by zero") {
		t.Errorf("problems: %s", text)
	}
	f.exec(f.provConn, `update book set title = 'meanwhile' where id < 10; insert into memo values (1)`)
	f.equal("public.memo")
	f.ok(f.sub.Retry(ctx, named("book")))
	f.says("Table parked again")
	f.shows("book parked, memo ok")
	f.ok(f.sub.ResyncWhere(ctx, named("book"), "id = 5"))
	f.shows("book ok, memo ok")
	f.equal("public.book")
	f.nothingAsked()

	// A row of the subscriber's own is in the way of a change.
	f.exec(f.subConn, `insert into book values (1000, 200, 'mine'), (1001, 300, 'mine')`)
	f.exec(f.provConn, `insert into book values (101, 200, 'new'); insert into memo values (2)`)
	f.shows("book parked, memo ok")
	f.ok(f.sub.Retry(ctx, named("book")))
	f.shows("book parked, memo ok")
	f.exec(f.provConn, `update book set isbn = 50000 where id = 101; update book set isbn = 1 - isbn where id in (50, 51);
		insert into book values (102, 300, 'new')`)
	f.fails(f.sub.ResyncDifferent(ctx, named("book"), londiste.CompareOptions{}), "its state is parked, not ok", "subscriber retry")
	f.ok(f.sub.ResyncWhere(ctx, named("book"), "id >= 1000"))
	f.says("The rows of the part make way")
	f.shows("book ok, memo ok")
	f.equal("public.book", "public.memo")
	f.noCopyLeft()
	f.nothingAsked()
	f.ok(w.stop())
}

// While a part waits for its turn the other table goes on, and the
// table can be removed, or copied as a whole.
func TestResyncOfSomeRowsIsDropped(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table memo (id int primary key)`)
	f.exec(f.provConn, `insert into book select i, 'old' from generate_series(1, 100) i`)
	f.add("book", "memo")
	f.worker.Pace.MaxWriters = 4
	w := start(t, f.worker.Run)
	ctx := t.Context()
	for i, drop := range []func(){
		func() { f.ok(f.sub.Resync(ctx, named("book"))) },
		func() {
			f.ok(f.sub.RemoveTables(ctx, named("book")))
			f.ok(f.sub.AddTables(ctx, named("book"), londiste.AddOptions{}))
		},
	} {
		f.allOK()
		f.exec(f.subConn, `update book set title = 'wrong'`)
		var busy []*pgx.Conn
		for range 5 {
			conn := pgtest.Connect(t, f.provDSN)
			f.exec(conn, `begin; select txid_current()`)
			busy = append(busy, conn)
		}
		f.ok(f.sub.ResyncWhere(ctx, named("book"), "id < 50"))
		f.says("Table set aside")
		f.says("Copy pauses: the provider is busy")
		f.shows("book resyncing, memo ok")
		f.exec(f.provConn, fmt.Sprintf(`insert into memo values (%d)`, i))
		f.equal("public.memo")
		drop()
		for _, conn := range busy {
			f.exec(conn, "commit")
		}
		f.allOK()
		f.equal("public.book")
		f.noCopyLeft()
		f.nothingAsked()
	}
	f.ok(w.stop())
}

// Where foreign keys act, those of a table that is set aside go before its
// neighbours go on, and come back.
func TestResyncOfSomeRowsWithForeignKeys(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table shelf (id int primary key, nr int); create table book (id int primary key, shelf int references shelf on delete cascade);
		create table memo (id int primary key, book int references book on delete cascade)`)
	f.exec(f.provConn, `insert into shelf select i from generate_series(1, 10) i; insert into book select i, 1 + i % 10 from generate_series(1, 100) i;
		insert into memo select i, i from generate_series(20, 100) i`)
	f.add("shelf", "book", "memo")
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	w := start(t, f.worker.Run)
	f.allOK()
	f.equal("public.shelf", "public.book", "public.memo")
	f.exec(f.subConn, `delete from book where id < 5; insert into book values (1000, 7); update book set shelf = 3 where id between 30 and 40`)
	f.ok(f.sub.ResyncWhere(t.Context(), named("book"), "id < 50 or id > 900"))
	for i := range 20 { // before, during and after
		f.exec(f.provConn, fmt.Sprintf(`begin; insert into shelf values (%[1]d); insert into book values (%[1]d, %[1]d); insert into memo values (%[1]d, %[1]d);
			delete from book where id = %[1]d - 60; delete from shelf where id = %[1]d - 100 and id %% 2 = 0; commit`, 101+i))
		time.Sleep(50 * time.Millisecond) // spreads the twenty over the second that the resync takes, whose moments nothing tells
	}
	f.says("Table set aside")
	f.shows("shelf ok, book ok, memo ok")
	f.equal("public.shelf", "public.book", "public.memo")
	f.noCopyLeft()
	f.ok(w.stop())
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
}

// A copier that comes to its end after its part was dropped and another one was
// asked for must not pass its rows off as those.
func TestOnePartIsNotAnother(t *testing.T) {
	t.Parallel()
	p := ready(t)
	ctx := t.Context()
	for _, conn := range []*pgx.Conn{p.provConn, p.subConn} {
		p.exec(conn, `create table book (id int primary key)`)
	}
	p.ok(p.prov.AddTables(ctx, named("book"), londiste.Capture{}))
	book := ident.Name{Schema: "public", Name: "book"}
	ask := func(where string) *set.PartResync {
		p.ok(p.sub.AddTables(ctx, named("book"), londiste.AddOptions{ExpectSync: true}))
		p.ok(p.sub.ResyncWhere(ctx, named("book"), where))
		part, err := set.ReadPart(ctx, p.subConn, p.sub.Queue, book)
		p.ok(err)
		return part
	}
	first := ask("id < 10")
	p.ok(p.sub.RemoveTables(ctx, named("book")))
	second := ask("id >= 10")
	done := func(part *set.PartResync) error {
		return pgx.BeginFunc(ctx, p.subConn, func(tx pgx.Tx) error { return part.Done(ctx, tx, p.sub.Queue, book, 1, 2, 3) })
	}
	if err := done(first); !errors.Is(err, set.ErrMoved) {
		t.Errorf("the first part is done: %v, want %v", err, set.ErrMoved)
	}
	p.ok(done(second))
}

// The worker adds up its batch's counters table by table in the order of their
// names: tables named in another order must not lead to a deadlock with it.
func TestResyncBesideABatch(t *testing.T) {
	t.Parallel()
	p := ready(t)
	ctx := t.Context()
	for _, conn := range []*pgx.Conn{p.provConn, p.subConn} {
		p.exec(conn, `create table a (id int primary key); create table b (id int primary key)`)
	}
	p.ok(p.prov.AddTables(ctx, named("a", "b"), londiste.Capture{}))
	p.ok(p.sub.AddTables(ctx, named("a", "b"), londiste.AddOptions{ExpectSync: true}))
	p.exec(p.subConn, `insert into skytools.table_counter (queue_name, consumer_name, table_name, diverged)
		select queue_name, 'job', table_name, 3 from londiste.table_info`)
	batch := pgtest.Connect(t, p.subDSN)
	p.exec(batch, `begin`)
	const count = `update skytools.table_counter set diverged = diverged + 1 where table_name = `
	p.exec(batch, count+`'public.a'`)
	resync := start(t, func(ctx context.Context) error { return p.sub.Resync(ctx, named("b", "a")) })
	waits := fmt.Sprintf(`select exists (select from pg_stat_activity where %d = any(pg_blocking_pids(pid)))`, batch.PgConn().PID())
	pgtest.Eventually(t, 20*time.Second, "the command waits for the batch", func() bool { return value[bool](p, p.subConn, waits) })
	p.exec(batch, count+`'public.b'`)
	p.exec(batch, `commit`)
	p.ok(resync.ended(t))
	if n := value[int](p, p.subConn, `select sum(diverged)::int from skytools.table_counter`); n != 0 {
		t.Errorf("%d changed rows are still counted", n)
	}
}
