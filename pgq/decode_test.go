package pgq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// copyStream is what the server sends for the events: header, rows, end.
func copyStream(events []RawEvent) []byte {
	b := []byte(copySignature)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, ev := range events {
		b = binary.BigEndian.AppendUint16(b, eventColumns)
		b = appendField(b, binary.BigEndian.AppendUint64(nil, uint64(ev.ID)))
		b = appendField(b, binary.BigEndian.AppendUint64(nil, uint64(ev.TxID)))
		for _, f := range [][]byte{ev.Type, ev.Data, ev.Extra1, ev.Extra2} {
			b = appendField(b, f)
		}
	}
	return append(b, 0xff, 0xff)
}

func appendField(b, f []byte) []byte {
	if f == nil {
		return binary.BigEndian.AppendUint32(b, 0xffffffff)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
	return append(b, f...)
}

var someEvents = []RawEvent{
	{ID: 1, TxID: 700, Type: []byte("I"), Data: []byte(`{"id":1}`), Extra1: []byte("public.t")},
	{ID: 2, TxID: 1 << 40, Type: []byte{}, Data: nil, Extra1: nil, Extra2: []byte(strings.Repeat("x", 100))},
	{ID: 1<<62 + 3, TxID: 701, Data: []byte("\xff\xff\x00PGCOPY")},
}

func show(ev *RawEvent) string {
	return fmt.Sprintf("%d %d %q %q %q %q", ev.ID, ev.TxID, ev.Type, ev.Data, ev.Extra1, ev.Extra2)
}

func TestDecoderTakesAnyPieces(t *testing.T) {
	stream := copyStream(someEvents)
	check := func(t *testing.T, pieces [][]byte) {
		t.Helper()
		var got []string
		var d decoder
		d.reset(func(ev *RawEvent) error { got = append(got, show(ev)); return nil })
		for _, p := range pieces {
			if n, err := d.Write(p); err != nil || n != len(p) {
				t.Fatalf("Write: %d of %d, %v", n, len(p), err)
			}
		}
		if err := d.end(int64(len(someEvents))); err != nil {
			t.Fatal(err)
		}
		for i := range someEvents {
			if want := show(&someEvents[i]); i >= len(got) || got[i] != want {
				t.Fatalf("event %d of %q, want %s", i, got, want)
			}
		}
	}
	for i := range stream {
		check(t, [][]byte{stream[:i], stream[i:]})
	}
	var bytes [][]byte
	for i := range stream {
		bytes = append(bytes, stream[i:i+1])
	}
	check(t, bytes)
	for seed := range int64(200) {
		rnd := rand.New(rand.NewSource(seed))
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := 1 + rnd.Intn(len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		check(t, pieces)
	}
}

func TestDecoderRefusesWhatIsNotWhole(t *testing.T) {
	stream := copyStream(someEvents)
	for n := range len(stream) - 1 {
		var d decoder
		d.reset(func(*RawEvent) error { return nil })
		if _, err := d.Write(stream[:n]); err != nil {
			t.Fatal(err)
		}
		if err := d.end(d.rows); !errors.Is(err, errStream) {
			t.Fatalf("%d bytes of %d: %v", n, len(stream), err)
		}
	}
	bad := map[string][]byte{
		"signature":     append([]byte("PGCOPX"), stream[6:]...),
		"after the end": append(copyStream(someEvents), 0, 1),
		"columns":       append(append([]byte{}, stream[:copyHeaderSize]...), 0, 5),
		"size":          append(append([]byte{}, stream[:copyHeaderSize]...), 0, 6, 0xff, 0, 0, 0),
	}
	for name, p := range bad {
		var d decoder
		d.reset(func(*RawEvent) error { return nil })
		if _, err := d.Write(p); !errors.Is(err, errStream) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var d decoder
	d.reset(func(*RawEvent) error { return nil })
	if _, err := d.Write(stream); err != nil {
		t.Fatal(err)
	}
	if err := d.end(int64(len(someEvents)) + 1); !errors.Is(err, errStream) {
		t.Errorf("a row short of the server's count: %v", err)
	}
}

func TestDecoderStopsAtError(t *testing.T) {
	stop := errors.New("stop")
	var d decoder
	d.reset(func(ev *RawEvent) error {
		if ev.ID == 2 {
			return stop
		}
		return nil
	})
	_, err := d.Write(copyStream(someEvents))
	if !errors.Is(err, stop) || d.fnErr != stop || d.rows != 2 {
		t.Fatalf("%v, %v after %d rows", err, d.fnErr, d.rows)
	}
}

func TestDecoderDoesNotAllocatePerEvent(t *testing.T) {
	stream := copyStream(someEvents)
	var d decoder
	d.reset(func(*RawEvent) error { return nil })
	if _, err := d.Write(stream[:copyHeaderSize]); err != nil {
		t.Fatal(err)
	}
	rows := stream[copyHeaderSize : len(stream)-2]
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := d.Write(rows); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations for three events", n)
	}
}

func TestBatchSQLRange(t *testing.T) {
	for _, c := range []struct{ prev, cur, want string }{
		{"10:10:", "20:20:", "ev_txid >= 10 and ev_txid < 20"},
		// What is open at the end is left out, unless that is much.
		{"10:10:", "15:20:15,17", "ev_txid >= 10 and ev_txid < 15|ev_txid >= 16 and ev_txid < 17|ev_txid >= 18 and ev_txid < 20"},
		{"10:10:", "10:20:10,11,19", "ev_txid >= 12 and ev_txid < 19"},
		{"10:10:", "11:20:11,12,15,17,18", "ev_txid >= 10 and ev_txid < 20 and txid_visible_in_snapshot(ev_txid, '11:20:11,12,15,17,18')"},
		{"10:10:", "10:10:", "false"},
		// An old transaction still open in both narrows nothing and needs no check.
		{"5:1000:5", "5:1010:5", "ev_txid >= 1000 and ev_txid < 1010"},
		// One that ended in between is looked up by its id.
		{"5:1000:5", "1010:1010:", "ev_txid = any ('{5}'::bigint[])|ev_txid >= 1000 and ev_txid < 1010"},
		// Close ones are read with the range.
		{"5:1000:5,990,998", "990:1010:990", "ev_txid = any ('{5}'::bigint[])|ev_txid >= 998 and ev_txid < 1010 and not txid_visible_in_snapshot(ev_txid, '5:1000:5,990,998')"},
	} {
		prev, err := ParseSnapshot(c.prev)
		if err != nil {
			t.Fatal(err)
		}
		cur, err := ParseSnapshot(c.cur)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for part := range strings.SplitSeq((&Reader{tables: []string{"e"}}).eventSQL(prev, cur, ""), " union all ") {
			_, cond, _ := strings.Cut(part, "ev_owner is null and ")
			got = append(got, cond)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.prev, c.cur, s, c.want)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(copyStream(someEvents), 7)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		run := func(pieces ...[]byte) (out string) {
			var d decoder
			d.reset(func(ev *RawEvent) error { out += show(ev) + "\n"; return nil })
			for _, p := range pieces {
				if _, err := d.Write(p); err != nil {
					return out + "error"
				}
			}
			return out
		}
		if len(p) == 0 {
			return
		}
		i := int(uint(cut) % uint(len(p)))
		if whole, cut := run(p), run(p[:i], p[i:]); whole != cut {
			t.Fatalf("whole:\n%s\ncut at %d:\n%s", whole, i, cut)
		}
	})
}

func TestIDRanges(t *testing.T) {
	for _, c := range []struct {
		prev, cur EventID
		want      []string
	}{
		{0, 0, []string{""}},
		{100, 90, []string{""}},
		{100, 115, []string{""}},
		{100, 116, []string{" and ev_id < 110", " and ev_id >= 110"}},
		{100, 180, []string{" and ev_id < 110", " and ev_id >= 110 and ev_id < 150", " and ev_id >= 150"}},
	} {
		if got := idRanges("", c.prev, c.cur, 10); !slices.Equal(got, c.want) {
			t.Errorf("%d to %d: %q, want %q", c.prev, c.cur, got, c.want)
		}
	}
}

// TestLowest: a transaction that stays open over two ticks has ids from before
// the tick that closes the last batch without it.
func TestLowest(t *testing.T) {
	tick := func(seq EventID, snapshot string) Tick {
		s, err := ParseSnapshot(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		return Tick{EventSeq: seq, Snapshot: s}
	}
	ticks := []Tick{tick(1000, "10:20:10"), tick(2000, "10:30:10,25"), tick(3000, "10:40:10,25,35"), tick(4000, "10:50:10,35"), tick(5000, "60:60:")}
	var r Reader
	for i, want := range []EventID{1000, 2000, 1000, 2000} {
		if got := r.lowest(ticks[i], ticks[i+1]); got != want {
			t.Errorf("batch %d: %d, want %d", i, got, want)
		}
	}
}
