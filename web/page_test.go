package web

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

func pointer[T any](x T) *T { return &x }

// hostile is a name, and a payload, that would do harm.
const hostile = `<script>alert(1)</script>" onload="x` + "\x1b[2J\u202e"

// sampleAt is when the samples are looked at.
var sampleAt = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

func sampleSet(now time.Time) *londiste.Status {
	st := &londiste.Status{
		Program: "0.1.0", Job: "shop_replica", Queue: "shop", Consumer: "shop_replica",
		Provider:   londiste.NodeStatus{Node: "root", Type: "root", Location: "host=db1 dbname=shop user=londiste", Reachable: true, Installed: true, Server: "17.2", Schema: "3"},
		Subscriber: londiste.NodeStatus{Node: "shop_replica", Type: "leaf", Location: "host=db2 dbname=shop user=londiste", Reachable: true, Installed: true, Server: "18.0", Schema: "3"},
		Events: &londiste.QueueStatus{
			LastTick: 48211, TickAge: 0.4, EventsPerSec: 1234.5, NewEvents: 480, Tables: 3, Size: 700 << 20, Rotation: 7200, RotatedAge: 1800, Kept: 2_041_000,
			Budget: pointer(int64(1 << 30)), Oldest: &pgq.Transaction{Age: pgq.Seconds(7 * time.Minute), Who: "process 4242 of report, idle in transaction"},
		},
		Position: pointer(int64(48209)), Lag: pointer(1.2), LagEvents: pointer(int64(5600)), LagBytes: pointer(int64(2 << 20)),
		Worker: &londiste.WorkerStatus{Running: true, Holder: "db2 pid 77", Since: now.Add(-3 * time.Hour)},
		Readers: []londiste.ReaderStatus{
			{Name: "shop_replica", Kind: "this", Lag: 1.4, Seen: 0.3, Pending: 5600, Bytes: 2 << 20, Database: "shop, node shop_replica"},
			{Name: "shop_replica.copy.public.picture", Kind: "copy", Lag: 48, Seen: 0.5, Pending: 61000, Bytes: 21 << 20},
			{Name: "mailer", Kind: "other", Lag: 900, Seen: 880, Pending: 1_900_000, Bytes: 665 << 20},
			{Name: hostile, Kind: "other", Lag: 2, Seen: 1, Pending: 30, Bytes: 9000},
		},
		Tables: []londiste.TableStatus{
			{Name: "public.stock", Provider: true, Here: true, State: "parked", Parked: &set.ParkedTable{Tick: 47000, Error: "duplicate key value violates unique constraint \"stock_pkey\"\ndetail: Key (id)=(1) already exists."}, Counters: londiste.TableCounters{Events: 700, Applied: 640}},
			{Name: "public.picture", Provider: true, Here: true, State: "in-copy", Copy: &set.CopyProgress{Rows: 12000, Bytes: 300 << 20, Done: pointer(0.42), Rate: 9 << 20, Left: pointer(46.0)}},
			{Name: "public.orders", Provider: true, Here: true, State: "ok", Verified: pointer(now.Add(-2 * time.Hour)), Counters: londiste.TableCounters{Events: 912_345, Applied: 880_001, Coalesced: 32_344}},
			{Name: "public.item", Provider: true, Here: true, State: "ok", Different: pointer(now.Add(-10 * time.Minute)), Counters: londiste.TableCounters{Events: 5100, Applied: 5100, Diverged: 3}},
			{Name: hostile, Provider: true, Here: true, State: "ok"},
			{Name: "public.next", Provider: true, Here: true, State: "-"},
		},
		Sequences: []londiste.SequenceStatus{{Name: "public.orders_id_seq", Provider: pointer(int64(912400)), Subscriber: pointer(int64(912390)), Here: true}},
		Problems: []londiste.Problem{
			{Text: "table public.stock is parked at tick 47000: duplicate key value violates unique constraint \"stock_pkey\"\nstatement: insert into stock values (1)", Mend: "mend the cause, then londiste INI subscriber retry public.stock"},
			{Text: "consumer " + hostile},
		},
		States: map[string]int{"ok": 3},
	}
	return st
}

func sampleDatabases() []Database {
	return []Database{
		{Name: "shop", Status: &doctor.Status{
			PostgresVersion: "17.2", PgqVersion: "3.5.3", Tickers: []ticker.Session{{PID: 12, Leads: true, Role: "pgq", Application: "pgqadm"}, {PID: 14, Role: "pgq"}},
			Queues: []pgq.Queue{
				{Name: "orders", Tables: 3, Size: 900 << 20, EventsKept: 400_000, LastTick: 7000, TickerLag: time.Second, RotationPeriod: 2 * time.Hour, EventsPerSec: 88.2, Consumers: []pgq.ConsumerInfo{
					{Name: "billing", Lag: 2 * time.Second, PendingEvents: 10, PendingBytes: 4096},
					{Name: "warehouse", Lag: time.Hour, LastSeen: time.Hour, PendingEvents: 400_000, PendingBytes: 900 << 20, HoldsRotation: true},
				}},
				{Name: hostile, Tables: 3},
			},
			Budgets: []pgq.Budget{{Queue: "orders", Bytes: 512 << 20}},
		}},
		{Name: "crm", Err: errors.New("cannot reach database crm")},
	}
}

// sampleServer has looked, again and again for half an hour.
func sampleServer(view View) *Server {
	s := &Server{Program: "londiste", Version: "0.1.0", clock: func() time.Time { return sampleAt }}
	s.Read = func(context.Context) View { return view }
	s.look(context.Background())
	s.now.At = sampleAt
	for i := range s.now.Databases {
		s.now.Databases[i].At = sampleAt
	}
	s.now.WholeAt = sampleAt
	s.past.samples = nil
	for i := range 360 {
		at := float64(i)
		s.past.samples = append(s.past.samples, sample{
			at:   sampleAt.Add(time.Duration(i-360) * 5 * time.Second),
			lag:  map[string]float64{"shop_replica": 1.2 + math.Abs(math.Sin(at/40))*math.Max(0, 9-math.Abs(at-220)/9), "mailer": at / 30},
			rate: map[string]float64{"shop": 1000 + 400*math.Sin(at/25) + 90*math.Sin(at*1.7)},
		})
	}
	return s
}

func sampleRows(text string) []rowShown {
	ev := pgq.Event{ID: 77, Time: sampleAt, Type: hostile, Data: []byte(text), Extra1: []byte("public.orders")}
	one := eventShown(&ev)
	one.Dead, one.Consumer, one.Reason, one.Given, one.Replay = 3, hostile, "gave up: "+hostile, sampleAt, "pgqadm INI dead replay shop mailer 4"
	two := one
	plain := eventShown(&pgq.Event{ID: 76, Time: sampleAt, Type: "I:id", Data: []byte(`{"id": 1, "item": "a <b>bold</b> name"}`)})
	two.ID, two.Type, two.Fields, two.Consumer, two.Dead = 76, plain.Type, plain.Fields, "mailer", 4
	return []rowShown{one, two}
}

// Nothing of a name, an error or a payload becomes markup, on any page.
func TestPagesEscape(t *testing.T) {
	s := sampleServer(View{Set: sampleSet(sampleAt)})
	both := sampleServer(View{Databases: sampleDatabases()})
	for name, body := range map[string]string{
		"overview": get(t, s, "/"), "tables": get(t, s, "/tables"), "queues": get(t, s, "/queues"),
		"overview of databases": get(t, both, "/"), "queues of databases": get(t, both, "/queues"),
		"events": rowsPage(s, "events", sampleRows(hostile), nil).Body.String(), "dead": rowsPage(s, "dead", sampleRows(hostile), nil).Body.String(),
		"error": rowsPage(s, "events", nil, errors.New(hostile)).Body.String(),
	} {
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "\x1b") || strings.Contains(body, "\u202e") || strings.Contains(body, `onload="x"`) {
			t.Errorf("%s: a hostile name comes through", name)
		}
		if !strings.Contains(body, "&lt;script&gt;alert") {
			t.Errorf("%s: the hostile name is not shown at all", name)
		}
		if strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "javascript:") || strings.Contains(body, "//cdn") {
			t.Errorf("%s: what the policy forbids", name)
		}
	}
	if body := rowsPage(s, "events", sampleRows("x"), nil).Body.String(); !strings.Contains(body, "&#34;item&#34;: &#34;a &lt;b&gt;bold&lt;/b&gt; name&#34;") {
		t.Errorf("JSON is not shown as it is:\n%s", body)
	}
}

func get(t *testing.T, s *Server, path string) string {
	t.Helper()
	w := ask(s.Handler(true), "GET", path)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// rowsPage is a page of rows that are read without a database.
func rowsPage(s *Server, name string, list []rowShown, err error) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	read := func(context.Context, string, string) ([]rowShown, error) { return list, err }
	s.showRows(name, read)(w, httptest.NewRequest("GET", "/"+name+"?queue=shop", nil))
	return w
}

// What is on the pages, and what becomes of it when servers die.
func TestPagesTell(t *testing.T) {
	s := sampleServer(View{Set: sampleSet(sampleAt)})
	wants(t, "overview", get(t, s, "/"), "Tables are parked, 2 problems", "londiste INI subscriber retry public.stock",
		`<svg class="topology wide"`, `<svg class="topology narrow"`, "lag 1.2s · 3 of 6 tables ok", "now 12s, most 12s within 30m", "every 5s", "5\u202f600 events, 2048 kB",
		"7m</span> process 4242 of report, idle in transaction", `http-equiv="refresh"`, `aria-live="polite"`)
	wants(t, "tables", get(t, s, "/tables"), `<progress max="100" value="42"`, "12\u202f000 rows, 300 MB, 9216 kB/s, 46s left",
		"equal</span> <time datetime=\"2026-05-01T08:00:00Z\" title=\"2026-05-01T08:00:00Z\">2h ago", "different</span> since <time", ">10m ago", `<span class="tag warn">3</span>`, "912\u202f400")
	wants(t, "queues", get(t, s, "/queues"), "700 MB of 1024 MB in 3 tables", `<span class="tag bad">15m</span>`, "1\u202f900\u202f000")

	dead := sampleSet(sampleAt)
	dead.Provider.Reachable, dead.Provider.Error, dead.Events = false, "connection refused", nil
	s.Read = func(context.Context) View { return View{Set: dead} }
	s.look(t.Context())
	s.now.At, s.clock = sampleAt.Add(20*time.Second), func() time.Time { return sampleAt.Add(21 * time.Second) }
	wants(t, "provider down", get(t, s, "/"), "A server does not answer", "Below is the state of 10:00:00 UTC, 21s ago.", "48\u202f211")
	s.clock = func() time.Time { return sampleAt.Add(time.Hour) }
	wants(t, "no look ends", get(t, s, "/queues"), "No look at the databases has ended for 60m")
	s.clock = func() time.Time { return sampleAt }
	s.past.add(&Snapshot{At: sampleAt})
	if body := get(t, s, "/"); !strings.Contains(body, "now not known, most") {
		t.Error("the last figure is taken for today's")
	}
	if body := get(t, sampleServer(View{Err: errors.New("gone")}), "/"); strings.Contains(body, "none holds up rotation") {
		t.Error("of a server that was never reached nothing is known")
	}

	both := sampleServer(View{Databases: sampleDatabases()})
	wants(t, "databases", get(t, both, "/"), "A database does not answer", "database crm: cannot reach database crm", "ticks</span> process 12 of pgq (pgqadm)", "stands by</span> process 14")
	wants(t, "databases' queues", get(t, both, "/queues"), "900 MB</span> of 512 MB", "holds up rotation", "rotation waits")
	empty := &Server{Program: "pgqadm"}
	for _, path := range []string{"/", "/tables", "/queues"} {
		wants(t, "before the first look", get(t, empty, path), "The first look is under way")
	}
	s.Rows = NewRows(nil) // which is not asked
	for _, path := range []string{"/events?queue=other", "/dead?queue=shop&database=template1"} {
		if w := ask(s.Handler(true), "GET", path); w.Code != 404 || !strings.Contains(w.Body.String(), "choose one of those") {
			t.Errorf("a queue that is not shown, %s: %d", path, w.Code)
		}
	}
}

func wants(t *testing.T, what, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%s: no %q in\n%s", what, text, body)
		}
	}
}

// A live page gets its part anew at each snapshot, and ends when the browser
// leaves; too many are refused.
func TestLivePage(t *testing.T) {
	s := sampleServer(View{Set: sampleSet(sampleAt)})
	server := httptest.NewServer(s.Handler(true))
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", server.URL+"/live/overview", nil)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if media := answer.Header.Get("Content-Type"); media != "text/event-stream" {
		t.Errorf("%s", media)
	}
	lines := bufio.NewScanner(answer.Body)
	event := func() string {
		var all strings.Builder
		for lines.Scan() && lines.Text() != "" {
			all.WriteString(strings.TrimPrefix(lines.Text(), "data: ") + "\n")
		}
		return all.String()
	}
	if first := event(); !strings.Contains(first, "Tables are parked") || strings.Contains(first, "<html") {
		t.Errorf("first: %s", first)
	}
	s.Read = func(context.Context) View { return View{Err: errors.New("all is gone")} }
	s.look(t.Context())
	if second := event(); !strings.Contains(second, "all is gone") {
		t.Errorf("second: %s", second)
	}
	leave()
	for s.streams.Load() != 0 {
		time.Sleep(time.Millisecond) // until the server has seen it
	}
	s.streams.Store(mostStreams)
	if w := ask(s.Handler(true), "GET", "/live/overview"); w.Code != 503 {
		t.Errorf("one too many: %d", w.Code)
	}
	if w := ask(s.Handler(true), "GET", "/live/nothing"); w.Code != 404 {
		t.Errorf("no such page: %d", w.Code)
	}
}

// Thousands of problems and hundreds of queues leave a page that can be read.
func TestPagesOfMany(t *testing.T) {
	st := sampleSet(sampleAt)
	st.Problems = slices.Repeat([]londiste.Problem{{Text: "the same", Mend: "again"}}, 2000)
	body := ask(sampleServer(View{Set: st}).Handler(true), "GET", "/").Body.String()
	if n := strings.Count(body, "the same"); n != mostProblems || !strings.Contains(body, "1\u202f900 more") {
		t.Errorf("%d problems", n)
	}

	many := doctor.Status{}
	for i := range 300 {
		many.Queues = append(many.Queues, pgq.Queue{Name: fmt.Sprint("q", i)})
	}
	s := sampleServer(View{Databases: []Database{{Name: "shop", Status: &many, At: sampleAt}}})
	s.Rows = &Rows{}
	for queue, folded := range map[string]bool{"": false, "q7": true} {
		h := s.showRows("events", func(context.Context, string, string) ([]rowShown, error) { return nil, nil })
		body := ask(h, "GET", "/events?database=shop&queue="+queue).Body.String()
		if strings.Contains(body, "Another of 300 queues") != folded {
			t.Errorf("queue %q: folded is not %t", queue, folded)
		}
	}
}

// The charts' memory is bounded, a look that failed leaves a gap.
func TestPast(t *testing.T) {
	var p past
	st := sampleSet(sampleAt)
	for i := range mostSamples + 10 {
		if i == mostSamples {
			st.Provider.Reachable = false
		}
		p.add(&Snapshot{View: View{Set: st}, At: sampleAt.Add(time.Duration(i) * time.Second)})
		st.Provider.Reachable = true
	}
	if len(p.samples) != mostSamples {
		t.Fatalf("%d samples", len(p.samples))
	}
	lag := p.charts()[0]
	var own line
	for _, l := range lag.Lines {
		if l.Name == "shop_replica" {
			own = l
		}
	}
	gaps := 0
	for _, v := range own.Values {
		if math.IsNaN(v) {
			gaps++
		}
	}
	if gaps != 1 || strings.Count(own.path(lag.Times, 1), "M") != 2 {
		t.Errorf("%d gaps, %d strokes", gaps, strings.Count(own.path(lag.Times, 1), "M"))
	}
	data, err := json.Marshal(own)
	if err != nil || !strings.Contains(string(data), "null") {
		t.Errorf("%v: %.80s", err, data)
	}
	many := map[string]float64{}
	for i := range 200 {
		keep(many, strings.Repeat("x", i), 1)
	}
	if len(many) != mostSeries {
		t.Errorf("%d series", len(many))
	}
}

// Long texts are cut at a character, others stay as they are but for what a
// browser would obey.
func TestField(t *testing.T) {
	if f := field("data", strings.Repeat("é", mostText)); f.Cut != mostText || len(f.Text) != mostText {
		t.Errorf("cut %d of %d", f.Cut, len(f.Text))
	}
	for text, want := range map[string]string{`{"a":1}`: "{\n  \"a\": 1\n}", "{a": "{a", "a=1&b=%20": "a=1&b=%20", "": "", "x\r\x00y\nz": "x\uFFFD\uFFFDy\nz"} {
		if f := field("data", text); f.Text != want || f.Cut != 0 {
			t.Errorf("%q is %q", text, f.Text)
		}
	}
}

// The files of others are those that VENDOR.md names, unchanged, and each has
// its line.
func TestVendoredFiles(t *testing.T) {
	text, err := os.ReadFile("static/VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for row := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(row, "|\n"), " | ")
		if len(cells) != 5 || len(strings.TrimSpace(cells[4])) != 64 {
			continue
		}
		name := strings.TrimSpace(cells[0])
		data, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != strings.TrimSpace(cells[4]) {
			t.Errorf("%s is %s: not the file of the package", name, got)
		}
		listed[strings.TrimPrefix(name, "static/")] = true
	}
	for name := range sums {
		if strings.HasSuffix(name, ".min.js") || strings.HasSuffix(name, ".min.css") {
			if !listed[name] {
				t.Errorf("static/%s has no line in VENDOR.md", name)
			}
		}
	}
	if len(listed) < 5 {
		t.Errorf("listed are %v", listed)
	}
}

func TestStaticFiles(t *testing.T) {
	h := sampleServer(View{}).Handler(true)
	w := ask(h, "GET", "/"+staticURL("dash.css"))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(h, "GET", "/static/dash.js", "If-None-Match", w.Header().Get("ETag")); w.Code != 200 || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("without its hash: %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/static/", "/static/VENDOR.md", "/static/../page.go", "/static/none.js"} {
		if w := ask(h, "GET", path); w.Code == 200 {
			t.Errorf("%s is served", path)
		}
	}
}
