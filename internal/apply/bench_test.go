package apply

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/skytools-go/skytools/internal/ident"
)

const benchDDL = `create table ev (id int8 primary key, grp int4, name text, amount numeric, ts timestamptz, doc jsonb)`

// benchEvent is an event of the table of the figures: six columns, about 120
// bytes.
func benchEvent(what string, id int64, n int) Event {
	return Event{
		ID:   int64(n),
		Type: fmt.Appendf(nil, `{"op":%q,"table":["public","ev"],"pkey":["id"]}`, what),
		Data: fmt.Appendf(nil, `{"id":%d,"grp":%d,"name":"name of row %d","amount":"%d.%02d","ts":"2020-01-%02dT%02d:00:00+00:00","doc":"{\"n\": %d, \"tag\": \"t%d\"}"}`,
			id, n%100, id, n, n%100, 1+n%28, n%24, n, n%7),
	}
}

// benchEvents: 60 % inserts, 30 % updates and 10 % deletes of rows that are
// there, of base rows 1..base.
func benchEvents(n int, base int64) []Event {
	events := make([]Event, n)
	next, gone := base, int64(0)
	for i := range events {
		switch {
		case i%10 < 6:
			next++
			events[i] = benchEvent("INSERT", next, i)
		case i%10 < 9:
			events[i] = benchEvent("UPDATE", base/2+int64(i)*7919%(base/2), i)
		default:
			gone++
			events[i] = benchEvent("DELETE", gone, i)
		}
	}
	return events
}

// BenchmarkDecode takes events into the set without a server.
func BenchmarkDecode(b *testing.B) {
	target := fakeTarget("id", "grp", "name", "amount", "ts", "doc")
	target.Name = ident.Name{Schema: "public", Name: "ev"}
	target.Keys = []Key{{Columns: []int{0}, Primary: true, equals: []string{"="}, classes: []keyClass{keyInteger}}}
	a := New(registry{target.Name: target}, Options{})
	a.number = 1
	events := benchEvents(10_000, 100_000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n == len(events) {
			a.set.reset(1 << 30)
			n = 0
		}
		if err := a.Event(b.Context(), events[n]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkApply brings 200,000 mixed events to a server, 100,000 a
// transaction.
func BenchmarkApply(b *testing.B) {
	const n, base = 200_000, 100_000
	events := benchEvents(n, base)
	r := newRig(b, benchDDL, "ev")
	for range b.N {
		b.StopTimer()
		r.exec("truncate ev")
		r.exec(`insert into ev select g, g % 100, 'name of row ' || g, g, '2020-01-01', '{"n": 1, "tag": "t"}' from generate_series(1, 100000) g`)
		r.exec("analyze ev")
		b.StartTimer()
		start := time.Now()
		goCPU, serverCPU := cpuTimes(b, r)
		for from := 0; from < n; from += 100_000 {
			if res := r.must(events[from : from+100_000]...); res.Total.Applied != res.Total.BySets || res.Total.Diverged != 0 {
				b.Fatalf("%+v", res.Total)
			}
		}
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "events/s")
		goAfter, serverAfter := cpuTimes(b, r)
		b.ReportMetric(float64(goAfter-goCPU)/n, "go-ns/event")
		b.ReportMetric(float64(serverAfter-serverCPU)/n, "server-ns/event")
	}
}

// cpuTimes reads the CPU time of this process and of the rig's server process.
func cpuTimes(b *testing.B, r *rig) (own, server time.Duration) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.conn.PgConn().PID()))
	if err != nil {
		b.Fatal(err)
	}
	var utime, stime int64
	_, rest, _ := strings.Cut(string(stat), ") ")
	if _, err := fmt.Sscanf(rest, "%s"+strings.Repeat(" %d", 12), append([]any{new(string)}, scanned(&utime, &stime)...)...); err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond // USER_HZ
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), time.Duration(utime+stime) * tick
}

// scanned are the fields 4 to 15 of a stat line, of which the last two matter.
func scanned(utime, stime *int64) []any {
	var skip []any
	for range 10 {
		skip = append(skip, new(int64))
	}
	return append(skip, utime, stime)
}

// BenchmarkOne is the latency of a transaction with a single event.
func BenchmarkOne(b *testing.B) {
	r := newRig(b, benchDDL, "ev")
	a := New(r.tables, Options{})
	n := 0
	for b.Loop() {
		n++
		err := pgx.BeginFunc(b.Context(), r.conn, func(tx pgx.Tx) error {
			_, err := a.Transaction(b.Context(), tx, func() error {
				return a.Event(b.Context(), benchEvent("INSERT", int64(n), n))
			})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
