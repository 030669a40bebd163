package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// registry is a Tables that loads what it is told of.
type registry map[ident.Name]*Target

func (r registry) Lookup(name ident.Name) (*Target, Action) {
	target, known := r[name]
	switch {
	case !known:
		return nil, Filter
	case target == nil:
		return nil, Skip
	}
	return target, Apply
}

// Every rig's, see TestByCopy and TestByUpdate: COPY and UPDATE however few the
// rows are; a superuser's session as replica.
var always, replica bool

// rig is a subscriber database with an applier.
type rig struct {
	testing.TB
	conn   *pgx.Conn
	tables registry
	opt    Options
	last   int64
	a      *Applier
}

func newRig(t testing.TB, ddl string, tables ...string) *rig {
	t.Helper()
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	r := &rig{TB: t, conn: pgtest.Connect(t, dsn), tables: registry{}}
	r.exec(ddl)
	r.load(tables...)
	if replica {
		asReplica(t, r)
	}
	return r
}

func connect(t testing.TB, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func itoa(n int) string { return strconv.Itoa(n) }

// replaced puts the word in place of %s and %[1]s.
func replaced(text, word string) string {
	return strings.NewReplacer("%s", word, "%[1]s", word).Replace(text)
}

// asReplica makes the rig's session one of a superuser as replica.
func asReplica(t testing.TB, r *rig) {
	t.Helper()
	r.conn = pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, r.conn.Config().ConnString()))
	r.exec("set session_replication_role = replica")
}

func (r *rig) load(tables ...string) {
	r.Helper()
	for _, text := range tables {
		name, err := ident.Parse(text)
		if err != nil {
			r.Fatal(err)
		}
		if r.tables[name], err = LoadTarget(r.Context(), r.conn, name); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *rig) exec(sql string) {
	r.Helper()
	if _, err := r.conn.Exec(r.Context(), sql); err != nil {
		r.Fatalf("%s: %v", sql, err)
	}
}

// apply applies the events in one committed transaction.
func (r *rig) apply(events ...Event) (Result, error) {
	r.Helper()
	if r.a == nil {
		r.opt.always = always
		r.a = New(r.tables, r.opt)
	}
	var res Result
	err := pgx.BeginFunc(r.Context(), r.conn, func(tx pgx.Tx) error {
		var err error
		res, err = r.a.Transaction(r.Context(), tx, func() error {
			for _, ev := range events {
				if err := r.a.Event(r.Context(), ev); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	if sum := res.Total; sum.Events != sum.Applied+sum.Coalesced+sum.Filtered+sum.Skipped {
		r.Errorf("counters do not add up: %+v", sum)
	}
	return res, err
}

func (r *rig) must(events ...Event) Result {
	r.Helper()
	res, err := r.apply(events...)
	if err != nil {
		r.Fatal(err)
	}
	return res
}

// fails applies the events and wants an error with all the texts.
func (r *rig) fails(texts []string, events ...Event) *Error {
	r.Helper()
	_, err := r.apply(events...)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		r.Fatalf("got %v, want an *Error", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			r.Errorf("error %q does not tell %q", err, text)
		}
	}
	return e
}

// ev makes a JSON event: what is `INSERT t id` or `TRUNCATE t`, row the data.
func (r *rig) ev(what, row string) Event {
	r.Helper()
	words := strings.Fields(what)
	name, err := ident.Parse(words[1])
	if err != nil {
		r.Fatal(err)
	}
	r.last++
	keys := []string{}
	if len(words) > 2 {
		keys = strings.Split(words[2], ",")
	}
	typ, err := json.Marshal(struct {
		Op    string   `json:"op"`
		Table []string `json:"table"`
		Pkey  []string `json:"pkey"`
	}{words[0], []string{name.Schema, name.Name}, keys})
	if err != nil {
		r.Fatal(err)
	}
	return Event{ID: r.last, Tx: r.last, Type: typ, Data: []byte(row), Extra1: []byte(name.Schema + "." + name.Name)}
}

func (r *rig) evs(lines ...string) []Event {
	r.Helper()
	var all []Event
	for _, line := range lines {
		what, row, _ := strings.Cut(line, "{")
		if row != "" {
			row = "{" + row
		}
		all = append(all, r.ev(strings.TrimSpace(what), row))
	}
	return all
}

// texts reads a query's only column.
func (r *rig) texts(sql string) []string {
	r.Helper()
	rows, err := r.conn.Query(r.Context(), sql)
	if err != nil {
		r.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		r.Fatalf("%s: %v", sql, err)
	}
	return list
}

// rows reads a query's rows in the form of records: (1,a).
func (r *rig) rows(sql string) []string {
	r.Helper()
	return r.texts("select x::text from (" + sql + ") x")
}

func (r *rig) want(sql string, want ...string) {
	r.Helper()
	if diff := cmp.Diff(want, r.rows(sql), cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "\n") })); diff != "" {
		r.Errorf("%s (-want +got):\n%s", sql, diff)
	}
}

const entryDDL = "create table t (id int primary key, v text); "

func TestApply(t *testing.T) {
	r := newRig(t, entryDDL+"insert into t values (1, 'one'), (2, 'two'), (3, 'three')", "t")
	res := r.must(r.evs(
		`INSERT t id {"id":10,"v":"ten"}`,
		`UPDATE t id {"id":1,"v":"uno"}`,
		`DELETE t id {"id":2,"v":"two"}`,
		`UPDATE t id {"id":10,"v":"zehn"}`,
		`INSERT t id {"id":11,"v":null}`,
		`DELETE t id {"id":11,"v":null}`,
		`INSERT other id {"id":11,"v":null}`,
	)...)
	r.want("select * from t order by id", "(1,uno)", "(3,three)", "(10,zehn)")
	want := Result{
		Tables: map[ident.Name]Counts{
			{Schema: "public", Name: "t"}:     {Events: 6, Applied: 4, Coalesced: 2, BySets: 4},
			{Schema: "public", Name: "other"}: {Events: 1, Filtered: 1},
		},
		Total:   Counts{Events: 7, Applied: 4, Coalesced: 2, BySets: 4, Filtered: 1},
		Flushes: 1,
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	res = r.must(r.evs(`INSERT t id {"id":2,"v":"two"}`, `TRUNCATE t`, `INSERT t id {"id":3,"v":"III"}`)...)
	r.want("select * from t", "(3,III)")
	if got := res.Total; got != (Counts{Events: 3, Applied: 2, Coalesced: 1, BySets: 2}) {
		t.Errorf("counts %+v", got)
	}
}

func TestUnhandled(t *testing.T) {
	r := newRig(t, entryDDL, "t")
	r.tables[ident.Name{Schema: "public", Name: "busy"}] = nil
	for _, typ := range []string{"EXECUTE", "pgq.tick-id", "londiste.update-seq", "", "mine", "IX", "R:id"} {
		if _, err := r.apply(Event{ID: 1, Type: []byte(typ)}); !errors.Is(err, ErrUnhandled) {
			t.Errorf("%q: %v", typ, err)
		}
	}
	for typ, text := range map[string]string{
		"I":                                "sqltriga",
		`{"op":"INSERT"}`:                  "names no table",
		`{"op":"MERGE","table":["a","b"]}`: "unknown op",
		`{"table":["a","b"]}`:              "no op",
		`{`:                                "malformed",
		"U:id":                             "names no table",
	} {
		r.fails([]string{text, "event 7"}, Event{ID: 7, Type: []byte(typ), Data: []byte("{}")})
	}
	res := r.must(r.evs(`INSERT busy id {"id":1}`)...)
	if res.Total != (Counts{Events: 1, Skipped: 1}) {
		t.Errorf("counts %+v", res.Total)
	}
}

func TestURLEncoded(t *testing.T) {
	r := newRig(t, `create schema "a.b"; create table "a.b"."c d" (id int primary key, t text, n int, b bool);`, `"a.b"."c d"`)
	ev := func(typ, data string) Event {
		r.last++
		return Event{ID: r.last, Type: []byte(typ), Data: []byte(data), Extra1: []byte("a.b.c d")}
	}
	r.must(ev("I:id", "id=1&t=a+b%2fc%26%3d&n&b=t"), ev("I:id", "id=2&t=&n=-5&b=f"), ev("I:id", "id=3&t=%c3%bc&n=&b"[:18]+"&n&b"),
		ev("U:id", "id=2&t=x&n=7&b"), ev("D:id", "id=3&t=x&n&b"))
	r.want(`select * from "a.b"."c d" order by id`, `(1,"a b/c&=",,t)`, "(2,x,7,)")
	r.must(ev("R", ""), ev("I:id", "id=9&t&n&b"))
	r.want(`select * from "a.b"."c d" order by id`, "(9,,,)")
}

func TestFlushLimits(t *testing.T) {
	r := newRig(t, entryDDL, "t")
	r.opt.MaxRows = 10
	var events []Event
	for i := range 95 {
		events = append(events, r.ev("INSERT t id", fmt.Sprintf(`{"id":%d,"v":"%d"}`, i%30, i)))
	}
	res := r.must(events...)
	if res.Flushes != 10 {
		t.Errorf("%d flushes", res.Flushes)
	}
	r.want("select count(*), sum(v::int) from t", fmt.Sprintf("(30,%d)", func() (n int) {
		for i := 65; i < 95; i++ {
			n += i
		}
		return
	}()))
	r.must(r.evs(`TRUNCATE t`)...)
	r.a, r.opt = nil, Options{MaxBytes: 1000}
	if res = r.must(events...); res.Flushes < 5 {
		t.Errorf("%d flushes", res.Flushes)
	}
}
