package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestReaderTicks(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	r := NewReader(conn, queue)
	ctx := t.Context()
	first := last(t, conn)
	if _, more, err := r.Next(ctx, first, 100); err != nil || more {
		t.Fatalf("after the last tick: %v, %v", more, err)
	}
	ticks := []Tick{first}
	for range 5 {
		write(t, conn, 10)
		ticks = append(ticks, makeTick(t, conn))
	}
	for _, c := range []struct {
		from      int
		maxEvents int64
		limit     int
		want      int
	}{
		{0, 0, 5, 1},
		{0, 1, 5, 1},
		{0, 10, 5, 1},
		{0, 19, 5, 1},
		{0, 20, 5, 2},
		{0, 1000, 5, 5},
		{0, 1000, 3, 3},
		{2, 20, 5, 4},
		{4, 1000, 5, 5},
		{1, 0, 5, 2},
		{3, 5, 4, 4},
	} {
		got, more, err := r.NextUpTo(ctx, ticks[c.from], c.maxEvents, ticks[c.limit].ID)
		if err != nil || !more || got.ID != ticks[c.want].ID {
			t.Errorf("%+v: tick %d, %v, %v", c, got.ID-first.ID, more, err)
		}
	}
	if _, more, err := r.NextUpTo(ctx, ticks[2], 100, ticks[2].ID); err != nil || more {
		t.Errorf("beyond the limit: %v, %v", more, err)
	}
	got, err := r.Tick(ctx, ticks[3].ID)
	if err != nil || got.Snapshot.String() != ticks[3].Snapshot.String() || !got.Time.Equal(ticks[3].Time) || got.EventSeq != ticks[3].EventSeq {
		t.Errorf("%+v, %v", got, err)
	}

	if _, err := r.Tick(ctx, 1<<40); !errors.Is(err, ErrTickNotFound) {
		t.Errorf("unknown tick: %v", err)
	}
	if _, _, err := r.Next(ctx, Tick{ID: 1 << 40}, 5); !errors.Is(err, ErrTickNotFound) {
		t.Errorf("after an unknown tick: %v", err)
	}
	none := NewReader(conn, "none")
	if _, err := none.Last(ctx); !errors.Is(err, ErrQueueNotFound) {
		t.Errorf("unknown queue: %v", err)
	}
	if _, _, err := none.Next(ctx, first, 0); !errors.Is(err, ErrQueueNotFound) {
		t.Errorf("unknown queue: %v", err)
	}
}

func TestReaderFollowsAQueueMadeAnew(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	r := NewReader(conn, queue)
	before := last(t, conn)
	write(t, conn, 3)
	if ids, _ := read(t, r, before, makeTick(t, conn)); len(ids) != 3 {
		t.Fatalf("%d events", len(ids))
	}
	pgtest.Exec(t, conn, `select pgq.drop_queue($1)`, queue)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	before, err := r.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, conn, 4)
	if ids, _ := read(t, r, before, makeTick(t, conn)); len(ids) != 4 {
		t.Fatalf("%d events", len(ids))
	}
}

func TestStreamFields(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	prev := last(t, conn)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 'ty', 'da', 'e1', 'e2', 'e3', 'e4')`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, null, null)`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, '', 'zwölf')`, queue)
	cur := makeTick(t, conn)
	var got []string
	err := NewReader(conn, queue).Stream(t.Context(), prev, cur, func(ev *RawEvent) error {
		if ev.TxID < prev.Snapshot.Xmax || ev.TxID >= cur.Snapshot.Xmax {
			t.Errorf("transaction %d", ev.TxID)
		}
		got = append(got, fmt.Sprintf("%q %v %q %v %q %q", ev.Type, ev.Type == nil, ev.Data, ev.Data == nil, ev.Extra1, ev.Extra2))
		return nil
	})
	want := []string{
		`"ty" false "da" false "e1" "e2"`,
		`"" true "" true "" ""`,
		`"" false "zwölf" false "" ""`,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v\n%s", err, strings.Join(got, "\n"))
	}

	// Events that a consumer put back for itself are nobody else's.
	pgtest.Exec(t, conn, `select pgq.insert_event_raw($1, null, now(), 17, 1, 'retried', '', '', '', '', '')`, queue)
	if ids, _ := read(t, NewReader(conn, queue), cur, makeTick(t, conn)); len(ids) != 0 {
		t.Errorf("events of an owner: %v", ids)
	}
}

func TestStreamError(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	prev := last(t, conn)
	write(t, conn, 10)
	stop := errors.New("stop")
	n := 0
	err := NewReader(conn, queue).Stream(t.Context(), prev, makeTick(t, conn), func(*RawEvent) error {
		n++
		return stop
	})
	if err != stop || n != 1 {
		t.Fatalf("%v after %d events", err, n)
	}
}

// TestStreamEqualsBatchFunction compares random batches with what PgQ's own
// function returns, over our schema and, where it is there, the extension.
func TestStreamEqualsBatchFunction(t *testing.T) {
	t.Run("ours", func(t *testing.T) { compareBatches(t, database(t), `skytools.tick_write(queue_id)`) })
	t.Run("extension", func(t *testing.T) {
		s := pgtest.Server(t)
		pgtest.RequireExtension(t, s, "pgq", "apt-get install postgresql-15-pgq3")
		dsn := pgtest.Database(t, s, nil)
		pgtest.Exec(t, pgtest.Admin(t, s, pgtest.DBName(t, dsn)), `create extension pgq; grant pgq_admin to app`)
		pgtest.Exec(t, pgtest.Connect(t, dsn), `select pgq.create_queue($1)`, queue)
		compareBatches(t, dsn, `(pgq.force_tick(queue_name), pgq.ticker(queue_name))`)
	})
}

func compareBatches(t *testing.T, dsn, tick string) {
	rnd := rand.New(rand.NewSource(7))
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	var writers []*pgx.Conn
	for range 12 {
		writers = append(writers, pgtest.Connect(t, dsn))
	}
	r := NewReader(conn, queue)
	r.chunk, r.AsFound = 2, true
	batches, lists, cut := 0, 0, 0
	for step := range 400 {
		w := writers[rnd.Intn(len(writers))]
		open := w.PgConn().TxStatus() != 'I'
		switch n := rnd.Intn(10); {
		case n < 3 && !open:
			pgtest.Exec(t, w, "begin")
			write(t, w, rnd.Intn(3)) // some have an id and no event
			pgtest.Exec(t, w, "select txid_current()")
		case n < 5:
			write(t, w, 1+rnd.Intn(5))
		case n < 7 && open:
			pgtest.Exec(t, w, []string{"commit", "rollback"}[rnd.Intn(2)])
		case n == 8:
			for range 30 { // leave the range's neighbourhood
				pgtest.Exec(t, conn, "select txid_current()")
			}
		case n == 9:
			pgtest.Exec(t, conn, `select `+tick+` from pgq.queue where queue_name = $1`, queue)
		}
		if step%5 == 0 {
			r.sorts = rnd.Intn(2)
			done, listed, parts := compareBatch(t, conn, r)
			batches += done
			cut += parts - done
			lists += listed
		}
	}
	if batches < 20 || lists < 3 || cut < 10 {
		t.Fatalf("only %d batches, %d of them with a list, %d cuts: the test shows nothing", batches, lists, cut)
	}
}

func compareBatch(t *testing.T, conn *pgx.Conn, r *Reader) (done, listed, parts int) {
	t.Helper()
	var id, prevID, curID *int64
	err := conn.QueryRow(t.Context(), `select batch_id, prev_tick_id, cur_tick_id from pgq.next_batch_info($1, 'c')`, queue).
		Scan(&id, &prevID, &curID)
	if err != nil {
		t.Fatal(err)
	}
	if id == nil {
		return 0, 0, 0
	}
	prev, err1 := r.Tick(t.Context(), TickID(*prevID))
	cur, err2 := r.Tick(t.Context(), TickID(*curID))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	var want, got []string
	rows, err := conn.Query(t.Context(), `select ev_id, ev_txid, ev_data from pgq.get_batch_events($1)`, *id)
	if err != nil {
		t.Fatal(err)
	}
	want, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var id, txid int64
		var data string
		err := row.Scan(&id, &txid, &data)
		return tag(id, txid, data), err
	})
	if err != nil {
		t.Fatal(err)
	}
	collect := func(ev *RawEvent) error {
		got = append(got, tag(ev.ID, ev.TxID, string(ev.Data)))
		return nil
	}
	err = r.Stream(t.Context(), prev, cur, collect)
	if errors.Is(err, ErrOutOfOrder) {
		got = nil
		err = r.Stream(t.Context(), prev, cur, collect)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("batch %d to %d, %s to %s:\ngot  %q\nwant %q", prev.ID, cur.ID, prev.Snapshot, cur.Snapshot, got, want)
	}
	pgtest.Exec(t, conn, `select pgq.finish_batch($1)`, *id)
	if _, list := split(prev.Snapshot, cur.Snapshot); len(list) > 0 {
		listed = 1
	}
	return 1, listed, len(idRanges("", prev.EventSeq, cur.EventSeq, r.chunk))
}

// TestAsFound: how much of a batch is told without sorting it, by the order
// in which its ids were written.
func TestAsFound(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	for _, c := range []struct {
		name  string
		ids   []EventID
		told  int
		rest  string
		sorts int
		err   error
	}{
		{"nothing", nil, 0, nothing, 0, nil},
		{"in order", []EventID{101, 102, 103, 104}, 4, nothing, 0, nil},
		{"an id is missing", []EventID{201, 202, 204, 205}, 2, " and ev_id >= 203", 0, nil},
		{"mixed at the end", []EventID{301, 302, 303, 304, 306, 305}, 4, " and ev_id >= 305", 0, nil},
		{"mixed at the beginning", []EventID{401, 403, 402, 404, 405}, 1, " and ev_id >= 402", scattered, nil},
		{"least comes last", []EventID{502, 503, 501}, 2, "", scattered, ErrOutOfOrder},
		{"told twice", []EventID{701, 702, 703, 702, 704}, 3, "", scattered, ErrOutOfOrder},
		{"least comes late", []EventID{602, 604, 603, 601, 605}, 1, "", scattered, ErrOutOfOrder},
	} {
		prev := last(t, conn)
		for _, id := range c.ids {
			pgtest.Exec(t, conn, `select pgq.insert_event_raw($1, $2, now(), null, null, 'i', '', '', '', '', '')`, queue, int64(id))
			pgtest.Exec(t, conn, `select setval((select queue_event_seq from pgq.queue where queue_name = $1), $2)`, queue, int64(id)+2)
		}
		cur := makeTick(t, conn)
		r := NewReader(conn, queue)
		r.AsFound = true
		if _, err := r.Last(t.Context()); err != nil {
			t.Fatal(err)
		}
		var told []EventID
		rest, _, err := r.asFound(t.Context(), prev, cur, 0, func(ev *RawEvent) error {
			told = append(told, ev.ID)
			return nil
		})
		if !errors.Is(err, c.err) || len(told) != c.told || rest != c.rest || r.sorts != c.sorts || !slices.IsSorted(told) {
			t.Errorf("%s: told %v, rest %q, sorts %d, %v", c.name, told, rest, r.sorts, err)
		}
		want := slices.Sorted(slices.Values(c.ids))
		r.chunk = 1 // any batch is a large one
		if c.err == nil {
			r.sorts = 0
		}
		if ids, _ := read(t, r, prev, cur); !slices.Equal(ids, want) {
			t.Errorf("%s: streamed %v", c.name, ids)
		}
	}
}

// plan runs a batch's statement and returns the pages it touched and the
// kinds of scans it made.
func plan(t *testing.T, conn *pgx.Conn, sql string) (pages int, scans []string) {
	t.Helper()
	var out []struct{ Plan map[string]any }
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	results, err := conn.PgConn().Exec(t.Context(), streamSettings+"explain (analyze, buffers, timing off, format json) "+sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(results[len(results)-1].Rows[0][0], &out); err != nil {
		t.Fatal(err)
	}
	var walk func(node map[string]any)
	walk = func(node map[string]any) {
		if kind := node["Node Type"].(string); strings.HasSuffix(kind, "Scan") {
			scans = append(scans, fmt.Sprint(kind, " ", node["Relation Name"]))
		}
		children, _ := node["Plans"].([]any)
		for _, child := range children {
			walk(child.(map[string]any))
		}
	}
	root := out[0].Plan
	walk(root)
	return int(root["Shared Hit Blocks"].(float64) + root["Shared Read Blocks"].(float64)), scans
}

// TestBatchCostsByItsOwnSize: an event table with nothing in it is probed by
// index only, and a transaction held open since long before does not make a
// batch read what lies between.
func TestBatchCostsByItsOwnSize(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	r := NewReader(conn, queue)
	batch := func() (int, []string) {
		prev := makeTick(t, conn)
		write(t, conn, 20)
		cur := makeTick(t, conn)
		ids, _ := read(t, r, prev, cur)
		if len(ids) != 20 {
			t.Fatalf("%d events", len(ids))
		}
		return plan(t, conn, r.sortedSQL(prev.Snapshot, cur.Snapshot, ""))
	}
	_, _ = batch()
	holder := pgtest.Connect(t, dsn)
	pgtest.Exec(t, holder, "begin")
	write(t, holder, 1)
	for range 20 {
		write(t, conn, 1500)
	}
	pages, scans := batch()
	if len(scans) == 0 || slices.ContainsFunc(scans, func(s string) bool { return strings.HasPrefix(s, "Seq") }) {
		t.Errorf("scans: %v", scans)
	}
	total := pgtest.One[int](t, conn, `select (pg_relation_size('pgq.event_1_0') / 8192)::int`)
	if pages > 60 || total < 5*pages {
		t.Errorf("a batch of 20 events, a transaction held open: %d pages of %d", pages, total)
	}

	// When it ends, its one event is found without the way between.
	prev := last(t, conn)
	pgtest.Exec(t, holder, "commit")
	cur := makeTick(t, conn)
	if ids, _ := read(t, r, prev, cur); len(ids) != 1 {
		t.Errorf("late events: %v", ids)
	}
	if late, scans := plan(t, conn, r.sortedSQL(prev.Snapshot, cur.Snapshot, "")); late > 60 {
		t.Errorf("one late event: %d pages, %v", late, scans)
	}
}

func TestNextTakesOldTicksThatStay(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	first := last(t, conn)
	var ticks []Tick
	for range 12 {
		write(t, conn, 1)
		ticks = append(ticks, makeTick(t, conn))
	}
	// Four a second, the first eight some hours ago, the last four just now.
	for i, tick := range ticks {
		ago := 3 * time.Hour
		if i >= 8 {
			ago = time.Minute
		}
		pgtest.Exec(t, conn, `update pgq.tick set tick_time = date_trunc('second', now()) - $1::interval + $2::interval where tick_id = $3`,
			ago, time.Duration(i)*250*time.Millisecond, int64(tick.ID))
	}
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = now() - interval '4 hours' where tick_id = $1`, int64(first.ID))
	r := NewReader(conn, queue)
	walk := func() (path []TickID) {
		at, err := r.Tick(t.Context(), first.ID)
		for more := true; more && err == nil; {
			var next Tick
			next, more, err = r.Next(t.Context(), at, 1)
			if more {
				path = append(path, next.ID-first.ID)
				at = next
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := []TickID{4, 8, 9, 10, 11, 12}
	if path := walk(); !slices.Equal(path, want) {
		t.Fatalf("before thinning: %v, want %v", path, want)
	}
	if n := pgtest.One[int](t, conn, `select skytools.maint_thin_ticks($1)`, queue); n != 6 {
		t.Errorf("thinned %d ticks, want 6", n)
	}
	if path := walk(); !slices.Equal(path, want) {
		t.Fatalf("after thinning: %v, want %v", path, want)
	}
	if n := pgtest.One[int](t, conn, `select skytools.maint_thin_ticks($1)`, queue); n != 0 {
		t.Errorf("thinned %d more", n)
	}
}
