package main

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

var update = flag.Bool("update", false, "write the goldens")

func pointer[T any](x T) *T { return &x }

// sampleStatus has a table in each state, names that mean harm and a problem.
func sampleStatus(now time.Time) *londiste.Status {
	st := &londiste.Status{
		Program: "0.1.0", Job: "shop_replica", Queue: "shop", Consumer: "shop_replica",
		Provider:   londiste.NodeStatus{Node: "root", Type: "root", Location: "host=db1 dbname=shop", Reachable: true, Installed: true, Server: "17.2 (Debian)", Schema: "3"},
		Subscriber: londiste.NodeStatus{Node: "shop_replica", Type: "leaf", Location: "host=db2 dbname=shop", Reachable: true, Installed: true, Server: "18.0", Schema: "3"},
		Events: &londiste.QueueStatus{
			LastTick: 4711, TickAge: 0.4, EventsPerSec: 1234.5, NewEvents: 12, Tables: 3, Size: 700 << 20, Rotation: 7200, RotatedAge: 1800, Kept: 2_000_000,
			Budget: pointer(int64(1 << 30)),
			Oldest: &pgq.Transaction{Age: pgq.Seconds(7 * time.Minute), Who: "process 4242 of report, idle in transaction"},
		},
		Position: pointer(int64(4700)), Lag: pointer(45.2), LagEvents: pointer(int64(56000)), LagBytes: pointer(int64(20 << 20)),
		Worker: &londiste.WorkerStatus{Running: true, Holder: "db2 pid 77", Since: now.Add(-3 * time.Hour)},
		Readers: []londiste.ReaderStatus{
			{Name: "shop_replica", Kind: "this", Lag: 45.2, Seen: 0.3, Pending: 56000, Bytes: 20 << 20, Database: "shop, node shop_replica"},
			{Name: "mailer", Kind: "other", Lag: 900, Seen: 880, Pending: 1_900_000, Bytes: 665 << 20},
		},
		Tables: []londiste.TableStatus{
			{Name: "public.orders", Provider: true, Here: true, State: "ok", Verified: pointer(now.Add(-2 * time.Hour)), Counters: londiste.TableCounters{Events: 90000, Applied: 88000, Coalesced: 2000}},
			{Name: "public.item", Provider: true, Here: true, State: "ok", Different: pointer(now.Add(-10 * time.Minute)), Counters: londiste.TableCounters{Events: 500, Applied: 500, Diverged: 3}},
			{Name: "public.picture", Provider: true, Here: true, State: "in-copy", Copy: &set.CopyProgress{Rows: 12000, Bytes: 300 << 20, Done: pointer(0.42), Rate: 9 << 20, Left: pointer(46.0)}},
			{Name: "public.log", Provider: true, Here: true, State: "wanna-sync:4712"},
			{Name: "public.stock", Provider: true, Here: true, State: "parked", Parked: &set.ParkedTable{}, Counters: londiste.TableCounters{Events: 7}},
			{Name: "public.\"zap\x1b[1m\"", Provider: true, State: "-"},
			{Name: "public.next", Provider: true, Here: true, State: "-"},
		},
		Sequences: []londiste.SequenceStatus{{Name: "public.orders_id_seq", Provider: pointer(int64(1200)), Subscriber: pointer(int64(1190)), Here: true}},
		Problems:  []londiste.Problem{{Text: "table public.stock is parked at tick 4600: duplicate key\nstatement: insert into stock", Mend: "mend the cause, then londiste INI subscriber retry public.stock"}},
	}
	return st
}

// The tree says all of it at each width, and nothing of a name reaches the
// terminal.
func TestStatusTree(t *testing.T) {
	now := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	st := sampleStatus(now)
	var got strings.Builder
	for _, width := range []int{60, 80, 140} {
		text := strings.Join(statusTree(st, now).Lines(width), "\n")
		if strings.Contains(text, "zap\x1b") {
			t.Error("a name's escape sequence comes through")
		}
		got.WriteString(ansi.Strip(text) + "\n\n")
	}
	st.Provider.Reachable, st.Events, st.Lag, st.Readers = false, nil, nil, nil
	st.Subscriber.Installed, st.Worker.Running, st.Tables, st.Problems = false, false, nil, nil
	got.WriteString(ansi.Strip(strings.Join(statusTree(st, now).Lines(80), "\n")) + "\n")
	golden(t, "testdata/status-tree.golden", got.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -run %s -update writes it)", err, t.Name())
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}
