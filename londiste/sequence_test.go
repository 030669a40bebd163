package londiste_test

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestSequencesAreMirrored(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create sequence up; create sequence down increment -5; create sequence untouched;
		create sequence small maxvalue 1000; create table book (id int primary key)`)
	f.exec(f.provConn, `select nextval('up'), nextval('up'), nextval('down'), nextval('down')`)
	for _, name := range []string{"up", "down", "untouched", "small"} {
		f.ok(f.prov.AddSeqs(t.Context(), named(name)))
		f.ok(f.sub.AddSeqs(t.Context(), named(name)))
	}
	f.add("book")
	f.exec(f.subConn, `select setval('up', 500)`)
	w := start(t, f.worker.Run)
	same := func(name string) {
		t.Helper()
		want := value[string](f.pair, f.provConn, `select last_value || ' ' || is_called from `+name)
		f.eventually(f.subConn, `select last_value || ' ' || is_called from `+name, want)
	}
	same("up") // differed at the start: set, though downwards
	same("down")
	same("untouched")

	f.exec(f.subConn, `select setval('up', 777)`)
	f.exec(f.provConn, `select nextval('down')`)
	same("down")
	if v := value[int](f.pair, f.subConn, `select last_value from up`); v != 777 {
		t.Errorf("up was set to %d although the provider's did not move", v)
	}
	f.exec(f.provConn, `select nextval('up')`)
	same("up")
	f.exec(f.provConn, `select setval('up', 1, false)`)
	same("up")

	// With a batch: never behind its rows.
	f.exec(f.provConn, `insert into book select nextval('up') from generate_series(1, 1000)`)
	f.eventually(f.subConn, `select (count(*) = 1000)::text from book`, "true")
	if value[bool](f.pair, f.subConn, `select last_value < (select max(id) from book) from up`) {
		t.Error("the sequence is behind the rows")
	}

	// One that cannot be set stops nothing.
	f.exec(f.subConn, `alter sequence small maxvalue 10`)
	f.exec(f.provConn, `select setval('small', 900); insert into book values (-1)`)
	f.says("Cannot set sequence")
	f.equal("public.book")
	f.exec(f.subConn, `alter sequence small maxvalue 1000`)
	f.exec(f.provConn, `select nextval('small')`)
	same("small")

	// One that left and comes back is set wherever it stands.
	f.ok(f.sub.RemoveSeqs(t.Context(), named("small")))
	f.exec(f.subConn, `select setval('small', 7)`)
	time.Sleep(1500 * time.Millisecond) // the worker notices within a second
	f.ok(f.sub.AddSeqs(t.Context(), named("small")))
	same("small")

	// Nor does one that is dropped.
	f.exec(f.provConn, `drop sequence untouched`)
	f.exec(f.provConn, `insert into book values (-2); select nextval('down')`)
	f.equal("public.book")
	same("down")
	f.ok(w.stop())
	pgtest.CompareSequences(t, f.provDSN, f.subDSN, "public.up", "public.down", "public.small")
}
