package main

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// The tree names tickers, queues beside their budgets, consumers by how far
// they are behind, and what wants doing.
func TestStatusTree(t *testing.T) {
	s := doctor.Status{
		PostgresVersion: "17.2", PgqVersion: "3.5.3",
		Tickers:           []ticker.Session{{PID: 12, Leads: true, Role: "chry", Application: "pgqadm"}},
		OldestTransaction: &pgq.Transaction{Age: pgq.Seconds(6 * time.Minute), Mend: "grant pg_read_all_stats to chry shows whose it is"},
		Queues: []pgq.Queue{
			{Name: "orders", Tables: 3, Size: 900 << 20, EventsKept: 4000, LastTick: 7, TickerLag: time.Second, RotationPeriod: 2 * time.Hour, TickerPaused: true, Consumers: []pgq.ConsumerInfo{
				{Name: "billing\x1b[2J", Lag: 2 * time.Second, PendingEvents: 10, PendingBytes: 4096},
				{Name: "slow", Lag: time.Hour, LastSeen: time.Hour, PendingEvents: 4000, PendingBytes: 900 << 20, HoldsRotation: true},
			}},
			{Name: "idle", Tables: 3},
		},
		Budgets: []pgq.Budget{{Queue: "orders", Bytes: 512 << 20}},
	}
	const want = `shop · PostgreSQL 17.2, PgQ 3.5.3
├─ problems 2
│  ├─ ✗ the ticker of queue orders is paused
│  │  └─ → pgqadm INI config orders ticker_paused=0
│  └─ ✗ the oldest transaction has been running for 6m0s, and rotation waits for it: this role may not see whose it is
│     └─ → grant pg_read_all_stats to chry shows whose it is
├─ ticker ticks · process 12 of chry (pgqadm)
├─ oldest transaction 6m, whose it is this role may not see
├─ orders · tick 7, 1.0s ago · 0.0 events/s · 0 since the tick · ticker paused, rotation waits
│  ├─ 900 MB, over the budget of 512 MB · 4000 events kept in 3 tables · rotated 0.0s ago, every 2h
│  ├─ billing\x1b[2J  lag 2.0s  10 events    4096 bytes  seen 0.0s ago
│  └─ slow            lag 60m   4000 events  900 MB      seen 60m ago   holds up rotation
└─ idle · tick 0, 0.0s ago · 0.0 events/s · 0 since the tick
   ├─ 0 bytes · 0 events kept in 3 tables · rotated 0.0s ago, every 0.0s
   └─ no consumers
`
	text := strings.Join(statusTree(s, "shop").Lines(140), "\n") + "\n"
	if got := ansi.Strip(text); got != want {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(text, "\x1b[2J") {
		t.Error("a name's escape sequence comes through")
	}
	if got := strings.Join(statusTree(s, "shop").Lines(60), "\n"); !strings.Contains(ansi.Strip(got), "│  └─ slow            lag 60m   4000 events  900 MB") {
		t.Errorf("narrow:\n%s", got)
	}
}
