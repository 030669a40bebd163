package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

var update = flag.Bool("update", false, "write goldens and references anew")

// golden compares got with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not current, go test ./web -update writes it:\n%s", path, diff)
	}
}

// busySet is a set with something of everything.
func busySet() *londiste.Status {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	position, budget, expected, done, left := int64(41), int64(1<<30), int64(1000), 0.25, 12.5
	st := &londiste.Status{
		Queue: "londiste.write", Position: &position, States: map[string]int{},
		Provider:   londiste.NodeStatus{Node: "root", Database: "shop", Reachable: true, Installed: true},
		Subscriber: londiste.NodeStatus{Node: "replica", Database: "shop", Reachable: true, Installed: true},
		Events: &londiste.QueueStatus{
			LastTick: 42, TickAge: 1.5, EventsPerSec: 250, NewEvents: 7, Tables: 3, Size: 65536, Kept: 1000, Budget: &budget,
			Rotation: 7200, RotatedAge: 60, Oldest: &pgq.Transaction{Age: pgq.Seconds(90 * time.Second)},
		},
		Worker: &londiste.WorkerStatus{Running: true, Since: day},
		Readers: []londiste.ReaderStatus{
			{Name: "replica", Kind: "this", Lag: 1.5, Seen: 0.5, Pending: 7, Bytes: 458, LastTick: 41},
			{Name: `other "one"`, Kind: "other", Lag: 3600, Seen: 3600, Pending: 100, LastTick: 2},
		},
		Tables: []londiste.TableStatus{
			{
				Name: "public.book", Provider: true, Here: true, State: "ok", Verified: &day, Different: &day, Drift: "a column",
				Counters: londiste.TableCounters{Events: 10, Applied: 6, Coalesced: 1, Filtered: 2, Skipped: 1, BySets: 5, Fallbacks: 1, Diverged: 3},
				Copy:     &set.CopyProgress{Started: day, Finished: &day, Attempts: 1, Rows: 100, Bytes: 2000},
			},
			{
				Name: "public.page", Provider: true, Here: true, State: "in-copy", Waiting: 2,
				Copy: &set.CopyProgress{
					Started: day, Attempts: 2, Rows: 250, Bytes: 5000, RowsExpected: &expected,
					Chunks: 8, ChunksDone: 2, ChunksRedone: 1, Done: &done, Rate: 400, Left: &left,
				},
			},
			{Name: "public.ink", Provider: true, Here: true, State: "parked", Parked: &set.ParkedTable{Since: day, Error: "why"}, Passed: 4},
			{Name: "public.pen", Provider: true, Here: true, State: "wanna-sync:40"},
			{Name: "public.cup", Provider: true, State: "-"},
		},
		Fkeys:    []londiste.ForeignKey{{}},
		Problems: []londiste.Problem{{Text: "one"}, {Text: "two"}},
	}
	for _, g := range st.ByState() {
		st.States[g.State] = len(g.Tables)
	}
	return st
}

// busyDatabases are queues with something of everything.
func busyDatabases() []Database {
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []Database{
		{Name: "shop", Status: &doctor.Status{
			Tickers: []ticker.Session{{Leads: true}}, OtherTickers: []ticker.Session{{}},
			Queues: []pgq.Queue{{
				Name: "orders", Tables: 3, RotationPeriod: time.Hour, RotatedAgo: time.Minute, IdlePeriod: time.Minute, TickerLag: 2 * time.Second,
				EventsPerSec: 10, NewEvents: 3, LastTick: 9, Size: 8192, EventsKept: 50, DisableInsert: true,
				Consumers: []pgq.ConsumerInfo{{Queue: "orders", Name: "mailer", Lag: time.Second, LastSeen: time.Minute, LastTick: 8, PendingEvents: 5, PendingBytes: 819, HoldsRotation: true}},
			}, {Name: "quiet", TickerPaused: true}},
			Budgets:  []pgq.Budget{{Queue: "orders", Bytes: 4096}},
			Aside:    []pgq.Aside{{Queue: "orders", Consumer: "mailer", Retries: 2, Dead: 1}, {Queue: "orders", Consumer: "gone", Dead: 6}},
			Warnings: []pgq.Backlog{{Queue: "orders", Consumer: "mailer", Bytes: 4000}},
			Detached: []pgq.Detached{{Queue: "orders", Consumer: "sleeper", At: day}},
		}},
		{Name: "lost", Err: errors.New("no route")},
	}
}

// seen is a server after a look at view, and its registry.
func seen(t *testing.T, view View, lag func(context.Context) (londiste.Lag, error)) (*Server, *prometheus.Registry) {
	t.Helper()
	s := &Server{Program: "londiste", Version: "1.2", Read: func(context.Context) View { return view }, Lag: lag}
	s.life = t.Context()
	s.look(t.Context())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(s))
	return s, registry
}

func behind(d time.Duration) func(context.Context) (londiste.Lag, error) {
	return func(context.Context) (londiste.Lag, error) { return londiste.Lag{At: time.Now(), Behind: d}, nil }
}

// exposition is what a scrape gets.
func exposition(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	text, err := testutil.GatherAndFormat(g, expfmt.TypeTextPlain, slices.Collect(maps.Keys(descriptions(t)))...)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExposition(t *testing.T) {
	for name, view := range map[string]View{
		"set":       {Set: busySet()},
		"databases": {Databases: busyDatabases()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the looks take no time
				lag := behind(1500 * time.Millisecond)
				if view.Set == nil {
					lag = nil
				}
				s, registry := seen(t, view, lag)
				golden(t, "testdata/"+name+".prom", exposition(t, registry))
				s.looks.Wait()
				problems, err := testutil.GatherAndLint(registry)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range problems {
					t.Errorf("%s: %s", p.Metric, p.Text)
				}
			})
		})
	}
}

// Each metric of the reference is in an exposition: one that no status can ever
// give would be documented in vain.
func TestAllMetricsAreGiven(t *testing.T) {
	given := map[string]bool{}
	for _, view := range []View{{Set: busySet()}, {Databases: busyDatabases()}} {
		s, registry := seen(t, view, behind(0))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			given[f.GetName()] = true
		}
		s.looks.Wait()
	}
	for name := range descriptions(t) {
		if !given[name] {
			t.Errorf("%s is described and never given", name)
		}
	}
}

// descriptions are all metrics by name.
func descriptions(t *testing.T) map[string]described {
	t.Helper()
	all := map[string]described{}
	for _, g := range groups {
		for _, d := range g.describe() {
			if _, twice := all[d.name]; twice {
				t.Errorf("%s is described twice", d.name)
			}
			all[d.name] = d
		}
	}
	return all
}

// Databases that do not answer are down, and what is not known is left out
// instead of shown as it was. The lag goes on.
func TestMetricsOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := busySet()
		queues := busyDatabases()[:1]
		queues[0].Name = "queues"
		views := []View{{Set: st, Databases: queues}, {
			Set: &londiste.Status{
				Queue:      st.Queue,
				Provider:   londiste.NodeStatus{Node: "root", Database: "shop", Error: "refused"},
				Subscriber: londiste.NodeStatus{Node: "replica", Database: "shop", Error: "refused"},
			},
			Err: errors.New("refused"),
		}}
		dead := false
		s := &Server{
			Read: func(context.Context) (v View) { v, views = views[0], views[1:]; return v },
			Lag: func(context.Context) (londiste.Lag, error) {
				if dead {
					return londiste.Lag{}, errors.New("refused")
				}
				return londiste.Lag{At: time.Now()}, nil
			},
			life: t.Context(),
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(newCollector(s))
		s.look(t.Context())
		before := exposition(t, registry)
		dead = true
		time.Sleep(time.Minute) // in the bubble's time
		s.look(t.Context())
		after := exposition(t, registry)
		s.looks.Wait()
		for _, line := range []string{
			`skytools_up{database="queues",node=""} 0`, `skytools_up{database="shop",node="root"} 0`,
			`skytools_up{database="shop",node="replica"} 0`, `skytools_lag_seconds{node="replica",queue="londiste.write"} 60`,
		} {
			if !strings.Contains(after, line+"\n") || strings.Contains(before, line+"\n") {
				t.Errorf("no line %s in\n%s", line, after)
			}
		}
		for _, name := range []string{"skytools_queue_bytes", "skytools_worker_running", "skytools_tables", "skytools_consumer_lag_seconds"} {
			if strings.Contains(after, name) || !strings.Contains(before, name) {
				t.Errorf("%s of a dead server is shown", name)
			}
		}
	})
}

func TestMetricsReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `/metrics` of `londiste` and `pgqadm` shows (see [monitoring](monitoring.md)), written by a test\n" +
		"from the descriptions in the program. Metrics of the Go runtime (`go_…`) and of the\nprocess (`process_…`) come with them. " +
		"A metric is left out where its value cannot be told.\n")
	for _, g := range groups {
		list := g.describe()
		labels := "no labels"
		if len(list[0].labels) > 0 {
			labels = "labels `" + strings.Join(list[0].labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\nWith %s.\n\n| metric | kind | what it tells |\n|---|---|---|\n", g.title(), labels)
		for _, d := range list {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.name, d.kind, strings.ReplaceAll(d.help, "|", `\|`))
		}
	}
	golden(t, "../docs/metrics.md", b.String())
	if names := slices.Sorted(maps.Keys(descriptions(t))); len(names) < 50 {
		t.Errorf("%d metrics: %v", len(names), names)
	}
}

// The whole answer, with the runtime's metrics, over HTTP.
func TestMetricsAnswer(t *testing.T) {
	s, _ := seen(t, View{Set: busySet()}, nil)
	w := ask(s.Handler(true), "GET", "/metrics")
	for _, name := range []string{"skytools_queue_bytes{", "go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(w.Body.String(), "\n"+name) {
			t.Errorf("%d, no %s", w.Code, name)
		}
	}
}

// A name that is no UTF-8, and one that stands for two, do not take the rest away.
func TestMetricsOfBadNames(t *testing.T) {
	st := busySet()
	st.Queue, st.Subscriber.Node = "caf\xe9", st.Provider.Node
	s, _ := seen(t, View{Set: st}, nil)
	w := ask(s.Handler(true), "GET", "/metrics")
	if want := `skytools_queue_bytes{database="shop",queue="caf` + "\uFFFD" + `"} 65536`; w.Code != 200 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d, no %s", w.Code, want)
	}
}
