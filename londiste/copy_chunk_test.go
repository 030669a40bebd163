package londiste_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
)

// inChunks makes a flow's worker copy in chunks of two pages.
func (f *flow) inChunks() *replay.Worker {
	f.t.Helper()
	pgtest.RequireVersion(f.t, pgtest.Server(f.t), 14, "range scans by ctid")
	w := f.newWorker()
	w.ChunkBytes, w.CopyWorkers = 16<<10, 3
	return w
}

const wide = `create table book (id int primary key, isbn int unique, title text, nr int generated always as identity,
	twice int generated always as (id * 2) stored);
	create index book_title on book (title)`

const books = `insert into book (id, isbn, title) select i, i, repeat('x', 50) from generate_series(1, 3000) i`

// ledger counts the chunks of book that each attempt has brought.
func (f *flow) ledger() (n []int) {
	f.t.Helper()
	rows, err := f.subConn.Query(f.t.Context(), `select count(c.first_page) from skytools.copy_table t
		cross join generate_series(1, t.attempt) a left join skytools.copy_chunk c on c.attempt = a and c.table_name = t.table_name
		where t.table_name = 'public.book' group by a order by a`)
	f.ok(err)
	for rows.Next() {
		var count int
		f.ok(rows.Scan(&count))
		n = append(n, count)
	}
	f.ok(rows.Err())
	return n
}

func TestCopyInChunks(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(wide)
	f.exec(f.provConn, books)
	before := pgtest.CatalogFingerprint(t, f.subDSN)
	f.exec(f.subConn, `insert into book (id, isbn) values (5000, 1)`) // goes
	f.add("book")
	w := start(t, f.inChunks().Run)
	f.allOK()
	f.noCopyLeft()
	f.equal("public.book")
	if n := f.ledger(); len(n) != 1 || n[0] < 10 {
		t.Errorf("chunks of each attempt: %v", n)
	}
	f.exec(f.provConn, `update book set title = 'y' where id < 100; delete from book where id > 2900`)
	f.equal("public.book")
	f.ok(f.sub.Resync(t.Context(), londiste.Selection{All: true}))
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
	f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
	sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
	if n := value[int](f.pair, f.subConn, `select count(*)::int from skytools.copy_table`); n != 0 {
		t.Errorf("%d ledgers are left of a table removed", n)
	}
}

// An attempt that breaks off leaves its chunks to the next one. Rows change
// place, key and unique value meanwhile.
func TestCopyGoesOn(t *testing.T) {
	for _, side := range []string{"before", "after"} {
		t.Run(side, func(t *testing.T) {
			f := newFlow(t)
			f.both(wide)
			f.exec(f.provConn, books)
			before := pgtest.CatalogFingerprint(t, f.subDSN)
			f.add("book")
			t.Cleanup(func() { f.ok(failpoint.Arm("")) })
			f.ok(failpoint.Arm("copy-chunk." + side + "-commit=error@12"))
			load := start(t, func(ctx context.Context) error {
				return shuffle(ctx, f.provDSN)
			})
			worker := f.inChunks()
			worker.Pace.MaxRate = 100 << 10 // slow, for the load to get between
			w := start(t, worker.Run)
			f.allOK()
			f.ok(load.stop())
			f.equal("public.book")
			f.noCopyLeft()
			n := f.ledger()
			if len(n) != 2 || n[0] < 11 || n[0] > 12+3 {
				t.Errorf("chunks of each attempt: %v", n)
			}
			inserted := value[int](f.pair, f.subConn, `select sum(n_tup_ins)::int from pg_stat_all_tables where relname = 'book'`)
			t.Logf("chunks of each attempt: %v, %d rows inserted", n, inserted)
			f.ok(w.stop())
			f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
			sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
		})
	}
}

// shuffle moves rows about: to other pages, to other keys, unique values from
// one to the other.
func shuffle(ctx context.Context, dsn string) error {
	return repeatedly(ctx, dsn, 10*time.Millisecond, func(i int) string {
		a, b := i*37%3000+1, i*91%3000+1
		return fmt.Sprintf(`
			update book set title = title || 'z' where id %% 500 = %[1]d %% 500;
			update book set isbn = -isbn where id in (%[1]d, %[2]d) and %[1]d <> %[2]d;
			with x as (delete from book where id in (%[1]d, %[2]d) and %[3]d %% 3 = 0 returning *)
				insert into book (id, isbn, title) select id + 100000, isbn, title from x
					where not exists (select from book k where k.id = x.id + 100000);
			delete from book where id = %[2]d + 7`, a, b, i)
	})
}

// repeatedly runs statements until ctx ends.
func repeatedly(ctx context.Context, dsn string, pause time.Duration, sql func(i int) string) error {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for i := 0; ctx.Err() == nil; i++ {
		if _, err := conn.Exec(context.Background(), sql(i)); err != nil {
			return err
		}
		time.Sleep(pause) // the copy is to get a turn
	}
	return nil
}

// A rewrite hides rows from the attempt's snapshot, a truncate all of them:
// what was copied before is void.
func TestCopyOfARewrittenTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, sql string
		both      bool
	}{
		{"retyped", `alter table book alter isbn type bigint`, true},
		{"clustered", `cluster book using book_title`, false},
		{"truncated", `truncate book; insert into book (id, isbn) values (7, 7)`, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			f.both(wide)
			f.exec(f.provConn, books)
			f.add("book")
			worker := f.inChunks()
			worker.Pace.MaxRate = 60 << 10
			w := start(t, worker.Run)
			f.eventually(f.subConn, `select (count(*) > 3)::text from skytools.copy_chunk where attempt is not null`, "true")
			f.exec(f.provConn, c.sql)
			if c.both {
				f.exec(f.subConn, c.sql)
			}
			f.allOK()
			f.equal("public.book")
			f.ok(w.stop())
			if !c.both && !strings.Contains(f.log.String(), "copying it anew") {
				t.Error("the copy did not notice")
			}
		})
	}
}

// What somebody does to the subscriber's table between two attempts takes the
// rows of the first with it: the ledger is void.
func TestCopyIntoATableMadeAnew(t *testing.T) {
	t.Parallel()
	for what, sql := range map[string]string{
		"truncated": `truncate book`, "made anew": `drop table book; ` + wide,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			f.both(wide)
			f.exec(f.provConn, books)
			f.add("book")
			worker := f.inChunks()
			worker.Pace.MaxRate = 60 << 10
			w := start(t, worker.Run)
			f.eventually(f.subConn, `select (count(*) > 3)::text from skytools.copy_chunk where attempt is not null`, "true")
			f.exec(f.subConn, sql)
			f.allOK()
			f.equal("public.book")
			f.noCopyLeft()
			f.ok(w.stop())
		})
	}
}

// A unique index of the subscriber's own refuses rows in an attempt that goes
// on as in the first one: there it must not keep them out in silence.
func TestCopyGoesOnPastAUniqueIndex(t *testing.T) {
	f := newFlow(t)
	f.both(wide)
	f.exec(f.provConn, books)
	f.add("book")
	t.Cleanup(func() { f.ok(failpoint.Arm("")) })
	f.ok(failpoint.Arm("copy-chunk.after-commit=error@5"))
	worker := f.inChunks()
	worker.Pace.MaxRate = 100 << 10
	w := start(t, worker.Run)
	f.says("injected failure")
	f.exec(f.subConn, `create unique index own on book ((id % 2000))`)
	f.says("could not create unique index") // the copy itself has dropped it
	f.exec(f.provConn, `delete from book where id >= 2000`)
	f.allOK()
	f.equal("public.book")
	f.ok(w.stop())
}
