package londiste_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// lines splits a catalogue fingerprint into what differs.
func sameCatalog(t *testing.T, before, after string) {
	t.Helper()
	if before != after {
		t.Errorf("the catalogue is another (-before +after):\n%s",
			cmp.Diff(strings.Split(before, "\n"), strings.Split(after, "\n")))
	}
}

const furnished = `
	create table parent (id int primary key, code text not null, constraint parent_code_uq unique (code) deferrable initially deferred);
	create table child (
		a int, b text, parent_id int references parent on delete cascade deferrable,
		v numeric(10,2) check (v > 0), tags text[], j jsonb, r int4range, at timestamptz,
		twice int generated always as (a * 2) stored, nr int generated always as identity,
		constraint child_pk primary key (a, b) include (v) with (fillfactor = 70),
		exclude using gist (r with &&));
	create index child_v on child (v desc nulls last) include (at) with (fillfactor = 60);
	create unique index child_expr on child ((a + 1), lower(b)) where v > 5;
	alter index child_expr alter column 1 set statistics 55;
	create index child_tags on child using gin (tags);
	comment on index child_v is 'it''s \ mine';
	comment on constraint child_pk on child is 'the key';
	alter table child cluster on child_v;
	create unique index child_nr on child (nr);
	alter table child alter nr set not null;
	alter table child replica identity using index child_nr;
	create view child_sums as select a, b, sum(parent_id) from child group by a, b;
	create table "Odd Name" ("Key ""x""" text primary key, "Va lue" int);
	create index "Odd Index" on "Odd Name" ("Va lue");`

// A copy gives back every index, key and constraint as it was, with all its
// settings, and copies every column that holds data.
func TestCopyLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(furnished)
	f.exec(f.provConn, `insert into parent select i, 'code ' || i from generate_series(1, 50) i;
		insert into child select i, 'b' || i, i % 50 + 1, i, array['x', null, i::text], '{"k": null}', int4range(i, i + 1), now()
			from generate_series(1, 300) i;
		insert into "Odd Name" values ('a''b\c', 1), ('', null)`)
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	f.exec(f.subConn, `insert into "Odd Name" values ('stranger', 1)`)
	f.add("parent", "child", `"Odd Name"`)
	w := start(t, f.worker.Run)
	f.allOK()
	f.noCopyLeft()
	f.equal("public.parent", "public.child", `public."Odd Name"`)
	f.exec(f.provConn, `update child set v = v + 1 where a < 10; delete from parent where id = 20`)
	f.equal("public.parent", "public.child")
	f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	f.allOK()
	f.noCopyLeft()
	f.equal("public.parent", "public.child", `public."Odd Name"`)
	f.ok(w.stop())
	f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
}

// Rows change all the time while tables are copied again and again.
func TestCopyUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table account (id int primary key, n int not null, tag int unique);
		create table memo (id int primary key, n int); create table log (id serial primary key, v text)`)
	f.exec(f.provConn, `insert into account select i, 0, i from generate_series(1, 2000) i;
		insert into memo select i, 0 from generate_series(1, 2000) i`)
	f.add("account", "memo", "log")
	load := start(t, func(ctx context.Context) error { return churn(ctx, f.provDSN) })
	w := start(t, f.worker.Run)
	for range 3 {
		f.allOK()
		f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	}
	f.allOK()
	f.ok(load.stop())
	f.equal("public.account", "public.memo", "public.log")
	f.noCopyLeft()
	f.ok(w.stop())
}

// churn changes rows until ctx ends: increments, swaps of unique values,
// moves of keys, and a truncate now and then.
func churn(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for i := 0; ctx.Err() == nil; i++ {
		sql := fmt.Sprintf(`
			update account set n = n + 1 where id %% 100 = %[1]d %% 100;
			update account set tag = -tag where id = %[1]d %% 2000 + 1;
			update memo set id = id + 10000 where id = %[1]d %% 2000 + 1;
			update memo set id = id - 10000 where id = 10000 + (%[1]d + 1000) %% 2000 + 1;
			insert into log (v) select 'line' from generate_series(1, 5);
			delete from log where id < (select max(id) from log) - 300`, i)
		if i%50 == 49 {
			sql += `; truncate log`
		}
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			return err
		}
	}
	return nil
}

// Removing and resyncing a table in the middle of its copy.
func TestTableChangedDuringItsCopy(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create index book_title on book (title);
		create table shelf (id int primary key)`)
	f.exec(f.provConn, `insert into book select i, 'x' from generate_series(1, 1000) i`)
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	f.add("book", "shelf")
	// The copy waits for a lock that a reader of the provider holds.
	tx, err := pgtest.Connect(t, f.provDSN).Begin(t.Context())
	f.ok(err)
	_, err = tx.Exec(t.Context(), `lock table book in access exclusive mode`)
	f.ok(err)
	w := start(t, f.worker.Run)
	f.eventually(f.subConn, `select merge_state from londiste.table_info where table_name = 'public.book'`, "in-copy")
	f.eventually(f.subConn, `select merge_state from londiste.table_info where table_name = 'public.shelf'`, "ok")
	f.exec(f.provConn, `insert into shelf values (1)`)
	f.equal("public.shelf") // one table's copy keeps nobody
	f.exec(f.subConn, `delete from londiste.table_info where table_name = 'public.book'`)
	time.Sleep(1500 * time.Millisecond) // the worker notices within a second
	f.ok(tx.Rollback(t.Context()))
	f.ok(f.sub.AddTables(t.Context(), named("book"), londiste.AddOptions{}))
	f.exec(f.subConn, `update londiste.table_info set merge_state = null`) // resync whatever the state
	f.allOK()
	f.equal("public.book", "public.shelf")
	f.noCopyLeft()
	f.ok(w.stop())
	f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
}

func TestSkipTruncateKeepsRows(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text)`)
	f.exec(f.provConn, `insert into book values (1, 'theirs')`)
	f.exec(f.subConn, `insert into book values (2, 'ours')`)
	f.ok(f.prov.AddTables(t.Context(), named("book"), londiste.Capture{}))
	f.ok(f.sub.AddTables(t.Context(), named("book"), londiste.AddOptions{SkipTruncate: true}))
	w := start(t, f.worker.Run)
	f.allOK()
	f.eventually(f.subConn, `select string_agg(title, ' ' order by id) from book`, "theirs ours")
	// Only for once.
	f.ok(f.sub.Resync(t.Context(), named("book")))
	f.eventually(f.subConn, `select string_agg(title, ' ' order by id) from book`, "theirs")
	f.allOK()
	f.ok(w.stop())
}

// A copy that cannot be made says why, keeps nobody else, and goes on by
// itself when it can.
func TestCopyThatFails(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text); create table shelf (id int primary key)`)
	f.exec(f.provConn, `insert into book values (1, 'x')`)
	f.add("book", "shelf")
	f.exec(f.subConn, `alter table book drop column title`)
	w := start(t, f.worker.Run)
	f.eventually(f.subConn, `select merge_state from londiste.table_info where table_name = 'public.shelf'`, "ok")
	f.eventually(f.subConn, `select (cur_error like '%column title%')::text from pgq_node.local_state
		where consumer_name = 'job.copy.public.book'`, "true")
	f.exec(f.provConn, `insert into shelf values (1)`)
	f.equal("public.shelf")
	f.exec(f.subConn, `alter table book add column title text`)
	f.allOK()
	f.equal("public.book")
	f.noCopyLeft()
	f.ok(w.stop())
}

// Copiers of tables that refer to each other do not get into each other's way.
func TestCopiesOfTablesThatReferToEachOther(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.worker.ParallelCopies = 8
	var names []string
	for i := range 4 {
		a, b := fmt.Sprintf("left_%d", i), fmt.Sprintf("right_%d", i)
		f.both(fmt.Sprintf(`create table %[1]s (id int primary key, o int);
			create table %[2]s (id int primary key, o int references %[1]s);
			alter table %[1]s add foreign key (o) references %[2]s deferrable`, a, b))
		f.exec(f.provConn, fmt.Sprintf(`insert into %[1]s values (1); insert into %[2]s values (1, 1); update %[1]s set o = 1`, a, b))
		names = append(names, a, b)
	}
	f.add(names...)
	w := start(t, f.worker.Run)
	f.allOK()
	f.eventually(f.subConn, `select count(*)::text from pg_constraint where contype = 'f' and convalidated and conrelid::regclass::text ~ '^(left|right)_'`, "8")
	f.ok(w.stop())
	if strings.Contains(f.log.String(), "copy stopped") {
		t.Error("a copier failed on the way")
	}
}

// A column that the provider computes and the subscriber only keeps has the
// provider's value, whether the row came by the copy or by an event.
func TestCopyOfAComputedColumn(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.exec(f.provConn, `create table price (id int primary key, net int, gross int generated always as (net * 2) stored);
		insert into price values (1, 10)`)
	f.exec(f.subConn, `create table price (id int primary key, net int, gross int not null)`)
	f.add("price")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into price values (2, 20)`)
	f.equal("public.price")
	f.ok(w.stop())
}

// A foreign key that the provider's rows violate is said, kept on the list,
// and not checked over and over while some other table is on its way.
func TestForeignKeyThatRowsViolate(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table parent (id int primary key); create table child (id int primary key, parent int);
		create table stuck (id int primary key); create sequence rounds`)
	f.exec(f.provConn, `insert into child values (1, 1)`)
	f.exec(f.subConn, `alter table child add constraint fk foreign key (parent) references parent`)
	f.add("parent", "child", "stuck")
	f.ok(f.prov.RemoveTables(t.Context(), named("stuck")))
	f.ok(f.prov.AddSeqs(t.Context(), named("rounds")))
	f.ok(f.sub.AddSeqs(t.Context(), named("rounds")))
	w := start(t, f.worker.Run)
	f.says("Foreign key cannot be restored")
	// A sequence is looked at once a second by an idle loop, which tends first.
	for _, value := range []string{"100", "200", "300"} {
		f.exec(f.provConn, fmt.Sprintf(`select setval('rounds', %s)`, value))
		f.eventually(f.subConn, `select last_value::text from rounds`, value)
	}
	if n := strings.Count(f.log.String(), "Foreign key cannot be restored"); n > 2 {
		t.Errorf("tried %d times in three rounds", n)
	}
	f.exec(f.provConn, `insert into parent values (1)`)
	f.ok(w.stop())
	w = start(t, f.newWorker().Run)
	f.equal("public.parent", "public.child")
	f.ok(w.stop())
	w = start(t, f.newWorker().Run)
	f.eventually(f.subConn, `select bool_and(convalidated)::text from pg_constraint where conname = 'fk'`, "true")
	f.ok(w.stop())
}

// ALTER TABLE writes the provider's rows anew just when the copy has begun: to a
// snapshot from before the table would be empty.
func TestCopyAmidARewrite(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text)`)
	f.exec(f.provConn, `insert into book select i, 'x' from generate_series(1, 1000) i`)
	f.add("book")
	reader, alter := pgtest.Connect(t, f.subDSN), pgtest.Connect(t, f.provDSN)
	f.exec(reader, `begin; lock table book in access share mode`)
	w := start(t, f.worker.Run)
	const waits = `select exists (select from pg_locks where not granted and relation = 'book'::regclass)::text`
	f.eventually(f.subConn, waits, "true")
	f.exec(alter, `begin; alter table book alter title type varchar(20)`)
	f.exec(reader, `rollback`)
	f.eventually(f.provConn, waits, "true")
	f.exec(alter, `commit`)
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
}
