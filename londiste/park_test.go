package londiste_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
)

// shows waits until the subscriber's tables are in these states.
func (f *flow) shows(want string) {
	f.t.Helper()
	var got string
	// A look every 50 ms.
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		list, err := f.sub.Tables(f.t.Context())
		f.ok(err)
		var words []string
		for _, t := range list {
			words = append(words, t.Name.Name+" "+t.Shown())
		}
		if got = strings.Join(words, ", "); got == want {
			return
		}
	}
	f.t.Fatalf("tables are %q, want %q", got, want)
}

// quickly makes a worker that parks at once.
func (f *flow) quickly() *replay.Worker {
	w := f.newWorker()
	w.ParkAfter = 100 * time.Millisecond
	return w
}

// events counts those of the queue that the worker, and each copy, took.
func (f *flow) events(consumer string) int {
	f.t.Helper()
	return value[int](f.pair, f.subConn, `select coalesce(sum(events), 0)::int from skytools.table_counter where consumer_name = $1`, consumer)
}

// A table that cannot be applied is parked, the others go on; once the cause
// is mended it comes back with all that happened meanwhile.
func TestOneBadTableIsParked(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table shelf (id int primary key)`)
	f.add("book", "shelf")
	w := start(t, f.quickly().Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (1, 'good'), (2, 'fine')`)
	f.equal("public.book")
	f.exec(f.subConn, `alter table book add check (title <> 'bad')`)
	f.exec(f.provConn, `insert into shelf values (1); update book set title = 'better' where id = 1;
		insert into book values (3, 'bad'); insert into shelf values (2)`)
	f.shows("book parked, shelf ok")
	f.equal("public.shelf")
	if got := value[string](f.pair, f.subConn, `select string_agg(id || title, ',' order by id) from book`); got != "1good,2fine" {
		t.Errorf("the parked table is %s, not as it was before the batch", got)
	}
	st := f.sub.ReadStatus(t.Context())
	p := st.Tables[0].Parked
	if st.Consistent || !st.Parked() || p == nil || p.Key != "(id)=(3)" || p.Event == 0 || !strings.Contains(p.Statement, "insert into") {
		t.Errorf("status: %+v, %+v", st, p)
	}
	if !strings.Contains(fmt.Sprint(st.Problems), fmt.Sprintf("subscriber skip public.book %d", p.Event)) {
		t.Errorf("problems: %+v", st.Problems)
	}
	f.eventually(f.subConn, `select coalesce(cur_error, '') from pgq_node.local_state where consumer_name = 'job'`, "")

	// What happens to the others and to it meanwhile; its events are kept.
	for range 3 {
		f.exec(f.provConn, `insert into shelf select max(id) + 1 from shelf; update book set title = title || '+' where id = 2`)
		f.equal("public.shelf")
	}
	held := value[bool](f.pair, f.provConn, `select i.last_tick = $1 from pgq.get_consumer_info('londiste.write') i
		where consumer_name = 'job.copy.public.book'`, p.Tick)
	if !held {
		t.Errorf("nothing holds the events since tick %d", p.Tick)
	}

	// Retried too early it is parked again, as is.
	f.ok(f.sub.Retry(t.Context(), named("book")))
	f.logged("Retrying public.book")
	f.says("Table parked again")
	f.shows("book parked, shelf ok")
	f.fails(f.sub.Retry(t.Context(), named("shelf")), "Table public.shelf is not parked", "its state is ok")

	// A worker that starts finds it so.
	f.ok(w.stop())
	w = start(t, f.quickly().Run)
	f.exec(f.provConn, `insert into shelf values (100)`)
	f.equal("public.shelf")
	f.shows("book parked, shelf ok")

	f.exec(f.subConn, `alter table book drop constraint book_title_check`)
	f.ok(f.sub.Retry(t.Context(), named("book")))
	f.shows("book ok, shelf ok")
	f.equal("public.book", "public.shelf")
	f.noCopyLeft()
	if st := f.sub.ReadStatus(t.Context()); !st.Consistent || st.Parked() {
		t.Errorf("status: %+v", st)
	}
	f.ok(w.stop())
	if written, main := value[int](f.pair, f.provConn, `select count(*)::int from pgq.event_1`), f.events("job"); written != main {
		t.Errorf("%d events were written, the worker took %d", written, main)
	}
	// Two of the batch and three updates were left to its copy.
	if n := f.events("job.copy.public.book"); n != 5 {
		t.Errorf("the copy took %d events, want 5", n)
	}
}

// Several tables of one batch, of which one is not there, one refuses a type,
// one has a trigger that fails; and never where that is switched off.
func TestSeveralBadTables(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table a (id int primary key); create table b (id int primary key, v text);
		create table c (id int primary key); create table d (id int primary key)`)
	f.add("a", "b", "c", "d")
	w := start(t, f.quickly().Run)
	f.allOK()
	f.exec(f.subConn, `alter table a rename to away; alter table b alter v type int using 0;
		create function stop() returns trigger language plpgsql as $$ begin raise 'no' using errcode = 'ZZ001'; end $$;
		create trigger stop before insert on c for each row execute function stop();
		alter table c enable always trigger stop`)
	f.exec(f.provConn, `insert into a values (1); insert into b values (1, 'x'); insert into c values (1); insert into d values (1)`)
	f.shows("a parked, b parked, c parked, d ok")
	f.equal("public.d")
	f.exec(f.subConn, `alter table away rename to a; alter table b alter v type text; drop function stop cascade`)
	f.ok(f.sub.Retry(t.Context(), londiste.Selection{All: true}))
	f.shows("a ok, b ok, c ok, d ok")
	f.equal("public.a", "public.b", "public.c", "public.d")
	f.noCopyLeft()
	f.ok(w.stop())

	never := f.newWorker()
	never.ParkAfter = -1
	w = start(t, never.Run)
	f.exec(f.subConn, `alter table a add check (id <> 2)`)
	f.exec(f.provConn, `insert into a values (2)`)
	f.eventually(f.subConn, `select (cur_error like '%public.a%')::text from pgq_node.local_state where consumer_name = 'job'`, "true")
	time.Sleep(500 * time.Millisecond) // that it is not parked is no event: five times what the others wait, while it fails again and again
	f.shows("a ok, b ok, c ok, d ok")
	f.exec(f.subConn, `alter table a drop constraint a_id_check`)
	f.equal("public.a")
	f.ok(w.stop())
}

// One event is passed over for one table, and counted.
func TestSkipEvent(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table shelf (id int primary key)`)
	f.add("book", "shelf")
	w := start(t, f.quickly().Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (1, 'good')`)
	f.equal("public.book")
	f.exec(f.subConn, `alter table book add check (title <> 'bad')`)
	f.exec(f.provConn, `insert into shelf values (1); insert into book values (2, 'bad'); insert into book values (3, 'after')`)
	f.shows("book parked, shelf ok")
	event := f.sub.ReadStatus(t.Context()).Tables[0].Parked.Event
	first := value[int64](f.pair, f.provConn, `select min(ev_id) from pgq.event_1`)
	for id, text := range map[int64]string{
		event - 1: "is not one of table public.book", first: "lies before tick", event + 1000: "not found in queue",
	} {
		f.fails(f.sub.SkipEvent(t.Context(), "book", id), text, "")
	}
	f.fails(f.sub.SkipEvent(t.Context(), "shelf", event), "Table public.shelf is not parked", "")
	f.ok(f.sub.SkipEvent(t.Context(), "book", event))
	f.shows("book ok, shelf ok")
	f.caughtUp()
	if got := value[string](f.pair, f.subConn, `select string_agg(id::text, ',' order by id) from book`); got != "1,3" {
		t.Errorf("book has %s", got)
	}
	if n := value[int](f.pair, f.subConn, `select skipped::int from skytools.table_counter
		where consumer_name = 'job.copy.public.book'`); n != 1 {
		t.Errorf("%d events counted as skipped, want 1", n)
	}
	st := f.sub.ReadStatus(t.Context())
	if st.Consistent || st.Parked() || st.Tables[0].Passed != 1 {
		t.Errorf("status does not tell of the event: %+v", st.Tables[0])
	}
	f.exec(f.provConn, `update book set title = 'mended' where id = 2`) // brings the whole row
	f.equal("public.book")
	f.ok(f.sub.Resync(t.Context(), named("book")))
	f.allOK()
	if st := f.sub.ReadStatus(t.Context()); !st.Consistent {
		t.Errorf("a copy does not make up for the event: %+v", st.Tables[0])
	}
	f.noCopyLeft()
	f.ok(w.stop())
}

// Where foreign keys act, tables that refer to the bad one are parked with it;
// its own parents go on, though rows go to which it still refers.
func TestFamilyIsParked(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table maker (id int primary key);
		create table book (id int primary key, maker int references maker, title text);
		create table page (id int primary key, book int references book);
		create table word (id int primary key, page int references page deferrable initially deferred);
		create table other (id int primary key, maker int references maker)`)
	f.add("maker", "book", "page", "word", "other")
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	w := start(t, f.quickly().Run)
	f.allOK()
	f.noCopyLeft()
	f.exec(f.provConn, `insert into maker select generate_series(1, 5); insert into book select g, g, 'good' from generate_series(1, 5) g`)
	f.equal("public.book")
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))

	f.exec(f.subConn, `alter table book add constraint no_bad check (title <> 'bad')`)
	f.exec(f.provConn, `insert into book values (6, 1, 'bad'); insert into page values (1, 6); insert into word values (1, 1);
		insert into other values (1, 2)`)
	f.shows("maker ok, book parked, page parked, word parked, other ok")
	f.exec(f.provConn, `delete from book where id = 3; delete from maker where id = 3; insert into page values (2, 6), (3, 1)`)
	f.equal("public.maker", "public.other")
	f.fails(f.sub.Retry(t.Context(), named("other")), "is not parked", "")

	f.exec(f.subConn, `alter table book drop constraint no_bad`)
	f.ok(f.sub.Retry(t.Context(), named("word"))) // stands for all of them
	f.shows("maker ok, book ok, page ok, word ok, other ok")
	f.equal("public.maker", "public.book", "public.page", "public.word", "public.other")
	f.noCopyLeft()
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
	f.ok(w.stop())
}

// A parked table that keeps too much, or whose events somebody let go, is given
// up, and says so; rotation goes on and a copy brings it back.
func TestParkedTableIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table shelf (id int primary key)`)
	f.add("book", "shelf")
	w := start(t, f.quickly().Run)
	f.allOK()
	bad := func(id int) {
		t.Helper()
		f.exec(f.subConn, `alter table book add constraint no_bad check (title <> 'bad') not valid`)
		f.exec(f.provConn, fmt.Sprintf(`insert into book values (%d, 'bad'); insert into shelf values (%[1]d)`, id))
		f.shows("book parked, shelf ok")
	}
	back := func() {
		t.Helper()
		f.fails(f.sub.Retry(t.Context(), named("book")), "are kept no longer", "subscriber resync public.book")
		f.eventually(f.provConn, `select count(*)::text from pgq.consumer where co_name like '%.copy.%'`, "0")
		f.exec(f.subConn, `alter table book drop constraint no_bad`)
		f.ok(f.sub.Resync(t.Context(), named("book")))
		f.shows("book ok, shelf ok")
		f.equal("public.book", "public.shelf")
		f.noCopyLeft()
	}
	bad(1)
	f.ok(w.stop())
	tight := f.quickly()
	tight.ParkMaxAge = time.Second // only now: a slow machine takes longer to park
	w = start(t, tight.Run)
	f.shows("book given-up, shelf ok")
	back()
	f.ok(w.stop())

	w = start(t, f.quickly().Run)
	bad(2)
	f.exec(f.provConn, `select pgq.unregister_consumer('londiste.write', 'job.copy.public.book')`)
	f.eventually(f.provConn, `select count(*)::text from pgq.consumer where co_name like '%.copy.%'`, "1") // the tick is still there
	f.shows("book parked, shelf ok")
	tick := f.sub.ReadStatus(t.Context()).Tables[0].Parked.Tick
	f.exec(f.provConn, fmt.Sprintf(`begin; select pgq.unregister_consumer('londiste.write', 'job.copy.public.book');
		delete from pgq.tick where tick_id = %d; commit`, tick))
	f.shows("book given-up, shelf ok")
	back()
	f.ok(w.stop())
}

// Where foreign keys do not act, nobody is parked along and none is dropped.
func TestFamilyIsNotParked(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table maker (id int primary key);
		create table book (id int primary key, maker int references maker, title text);
		create table page (id int primary key, book int references book)`)
	f.add("maker", "book", "page")
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	free := f.quickly()
	free.Subscriber = free.Subscriber.Copy()
	free.Subscriber.User, free.Subscriber.Password = pgserver.Superuser, ""
	w := start(t, free.Run)
	f.allOK()
	f.noCopyLeft()
	f.exec(f.provConn, `insert into maker select generate_series(1, 5); insert into book select g, g, 'good' from generate_series(1, 5) g`)
	f.equal("public.book")
	f.exec(f.subConn, `alter table book add constraint no_bad check (title <> 'bad')`)
	f.exec(f.provConn, `insert into book values (6, 1, 'bad'); insert into page values (1, 6)`)
	f.shows("maker ok, book parked, page ok")
	f.exec(f.provConn, `delete from book where id = 3; delete from maker where id = 3`)
	f.equal("public.maker", "public.page")
	f.exec(f.subConn, `alter table book drop constraint no_bad`)
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
	f.ok(f.sub.Retry(t.Context(), named("book")))
	f.shows("maker ok, book ok, page ok")
	f.equal("public.maker", "public.book", "public.page")
	f.noCopyLeft()
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
	if strings.Contains(f.log.String()[strings.Index(f.log.String(), "Table parked"):], "Dropping foreign key") {
		t.Error("a foreign key was dropped although none acts")
	}
	f.ok(w.stop())
}
