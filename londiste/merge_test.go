package londiste_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/ticker"
)

// beside is a flow from another provider into the same subscriber.
func (f *flow) beside() *flow {
	f.t.Helper()
	p := *f.pair
	p.provDSN = pgtest.Database(f.t, pgtest.Server(f.t), installed)
	p.provConn = pgtest.Connect(f.t, p.provDSN)
	values := f.sub.Pair
	values.Job, values.Queue, values.Provider = "job2", "londiste.other", p.provConn.Config()
	p.prov, p.sub = &londiste.Provider{Pair: values}, &londiste.Subscriber{Pair: values}
	other := &flow{pair: &p, log: f.log}
	other.worker = &replay.Worker{Pair: values}
	f.ok(p.prov.Install(f.t.Context(), install))
	f.ok(p.sub.Install(f.t.Context(), install))
	start(f.t, (&ticker.Ticker{Database: p.provConn.Config(), Log: values.Logger()}).Run)
	return other
}

// Two providers fill one table. Nothing that is done for the one may take the
// rows of the other.
func TestTwoProvidersFillOneTable(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.exec(f.provConn, "insert into entry select i, 'one' from generate_series(1, 10) i")
	f.add("entry")
	start(t, f.quickly().Run)
	of := func(conn *pgx.Conn, item, want string) {
		t.Helper()
		f.eventually(conn, "select count(*)::text from entry where item = '"+item+"'", want)
	}
	of(f.subConn, "one", "10")

	g := f.beside()
	g.exec(g.provConn, "insert into entry select i, 'two' from generate_series(101, 110) i")
	g.ok(g.prov.AddTables(t.Context(), named("entry"), londiste.Capture{}))
	if err := g.sub.AddTables(t.Context(), named("entry"), londiste.AddOptions{}); !errors.Is(err, set.ErrShared) {
		t.Fatalf("a copy that empties the table: %v", err)
	}
	g.ok(g.sub.AddTables(t.Context(), named("entry"), londiste.AddOptions{SkipTruncate: true}))
	start(t, g.worker.Run)
	of(f.subConn, "two", "10")
	of(f.subConn, "one", "10")
	g.eventually(g.subConn, "select string_agg(merge_state, ' ') from londiste.table_info where local", "ok ok")
	for _, s := range []*londiste.Subscriber{f.sub, g.sub} {
		if err := s.Resync(t.Context(), named("entry")); !errors.Is(err, set.ErrShared) {
			t.Errorf("a resync that empties the table: %v", err)
		}
	}

	// What the other has brought is no difference; what it would hide is one.
	compared := func(o londiste.CompareOptions, want string) {
		t.Helper()
		f.ok(f.sub.Compare(t.Context(), named("entry"), o, func(c londiste.Comparison) error {
			row := f.sub.ReadStatus(t.Context()).Tables[0]
			got := fmt.Sprintf("agrees %t, verified %t, different %t, extra %d", c.Agrees(), row.Verified != nil, row.Different != nil, row.Extra)
			if got != want {
				t.Errorf("compared: %s, want %s", got, want)
			}
			return nil
		}))
	}
	compared(londiste.CompareOptions{CountOnly: true}, "agrees false, verified false, different false, extra 0")
	compared(londiste.CompareOptions{}, "agrees true, verified true, different false, extra 10")
	f.exec(f.subConn, "delete from entry where id in (3, 103)")
	compared(londiste.CompareOptions{}, "agrees false, verified true, different true, extra 9")
	f.ok(f.sub.Repair(t.Context(), named("entry"), londiste.CompareOptions{}, true, nil, func(c londiste.Comparison, told int64) error {
		if c.Missing != 1 || c.Extra != 9 || told != 1 || len(c.Shared) != 1 {
			t.Errorf("repair: %+v, told %d", c, told)
		}
		return nil
	}))
	of(f.subConn, "one", "10")
	of(f.subConn, "two", "9")

	f.exec(f.provConn, "truncate entry, note")
	f.eventually(f.subConn, "select string_agg(queue_name || (error like '%the provider emptied the table%'), '') from skytools.parked_table",
		"londiste.writetrue")
	of(f.subConn, "one", "10")
	of(f.subConn, "two", "9")
}

// So it is where the one fills a partitioned table and the other a partition of
// it, even if it has become one since.
func TestTwoProvidersFillOnePartition(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.exec(f.provConn, `create table visit (id int primary key, item text); insert into visit select i, 'one' from generate_series(1, 10) i`)
	f.exec(f.subConn, `create table visit (id int primary key, item text) partition by range (id);
		create table visit_1 partition of visit for values from (1) to (100);
		create table visit_2 (id int primary key, item text)`)
	f.add("visit")
	w := start(t, f.quickly().Run)
	f.allOK()
	g := f.beside()
	g.exec(g.provConn, `create table visit_2 (id int primary key, item text); insert into visit_2 select i, 'two' from generate_series(101, 110) i`)
	g.ok(g.prov.AddTables(t.Context(), named("visit_2"), londiste.Capture{}))
	g.ok(g.sub.AddTables(t.Context(), named("visit_2"), londiste.AddOptions{}))
	start(t, g.worker.Run)
	f.eventually(f.subConn, "select string_agg(merge_state, ' ') from londiste.table_info where local", "ok ok")
	f.exec(f.subConn, `create table visit_3 partition of visit for values from (1000) to (2000);
		alter table visit attach partition visit_2 for values from (100) to (1000)`)
	for table, s := range map[string]*londiste.Subscriber{"visit": f.sub, "visit_2": g.sub} {
		if err := s.Resync(t.Context(), named(table)); !errors.Is(err, set.ErrShared) {
			t.Errorf("a resync of %s that empties a partition: %v", table, err)
		}
		if err := s.ResyncWhere(t.Context(), named(table), "true"); !errors.Is(err, set.ErrShared) {
			t.Errorf("a resync of all rows of %s: %v", table, err)
		}
	}
	f.exec(f.subConn, "delete from visit where id = 3")
	f.ok(f.sub.Repair(t.Context(), named("visit"), londiste.CompareOptions{}, true, nil, func(c londiste.Comparison, told int64) error {
		if c.Missing != 1 || c.Extra != 10 || told != 1 || len(c.Shared) != 1 || c.Shared[0] != "londiste.other" {
			t.Errorf("repair: %+v, told %d", c, told)
		}
		return nil
	}))
	f.eventually(f.subConn, "select count(*)::text from visit", "20")
	f.exec(f.provConn, "truncate visit")
	f.eventually(f.subConn, "select string_agg(queue_name || (error like '%the provider emptied the table%'), '') from skytools.parked_table",
		"londiste.writetrue")
	f.eventually(f.subConn, "select count(*)::text from visit", "20")
	f.ok(w.stop())

	// Nor may one queue do so to itself.
	f.exec(f.provConn, `create table visit_1 (id int primary key, item text)`)
	f.ok(f.prov.AddTables(t.Context(), named("visit_1"), londiste.Capture{}))
	err := f.sub.AddTables(t.Context(), named("visit_1"), londiste.AddOptions{})
	if !errors.Is(err, set.ErrShared) || !strings.Contains(err.Error(), "is filled from queue londiste.write (public.visit) as well") {
		t.Errorf("a partition of a table of the queue: %v", err)
	}
}
