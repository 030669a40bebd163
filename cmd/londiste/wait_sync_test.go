package main

import (
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

func number(x float64) *float64 { return &x }

// A picture takes away the one before, fits the terminal, and has no line for
// what is done.
func TestBars(t *testing.T) {
	var out strings.Builder
	v := &bars{out: &out, width: 60}
	now := time.Now()
	y := &londiste.Sync{Running: true, Tables: []londiste.TableSync{
		{Name: "public.done", State: "ok", OK: true, Copy: &set.CopyProgress{Finished: &now}},
		{Name: "public.half", State: "in-copy", Copy: &set.CopyProgress{Rows: 50, Bytes: 1 << 20, Done: number(0.5), Rate: 2 << 20, Left: number(61)}},
		{Name: "public." + strings.Repeat("long", 20), State: "-"},
	}}
	v.show(y)
	first := out.String()
	want := "public.hal [##########..........] in-copy      50%, 50 rows\n" +
		"public.lon [....................] -\n1 of 3 tables in sync\n"
	var lines []string
	for line := range strings.SplitSeq(first, "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	y.Tables = y.Tables[:2]
	out.Reset()
	v.width = 160
	v.show(y)
	if got := out.String(); !strings.HasPrefix(got, "\x1b[3A\x1b[J") || !strings.Contains(got, "50%, 50 rows, 1024 kB, 2048 kB/s, 1m1s left\n") {
		t.Errorf("the second picture: %q", got)
	}
	if got := figures(&set.CopyProgress{Finished: &now, Rows: 9, Bytes: 10, ChunksRedone: 3}); got != "9 rows, 10 bytes, 3 chunks redone" {
		t.Errorf("a copy that was interrupted: %q", got)
	}
	many := &londiste.Sync{Running: true}
	for range 40 {
		many.Tables = append(many.Tables, londiste.TableSync{Name: "public.t", State: "-"})
	}
	out.Reset()
	v.show(many)
	if n := strings.Count(out.String(), "\n"); n > 20 || !strings.Contains(out.String(), "and 24 more") {
		t.Errorf("%d lines for 40 tables", n)
	}
}
