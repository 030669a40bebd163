package router

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

func TestTokenText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Token{pgq.TxID(rapid.Uint64Min(3).Draw(t, "tx")), run{rapid.Int64Min(1).Draw(t, "start"), rapid.Uint32().Draw(t, "oid")}}
		var got Token
		text, _ := want.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%s: %v, %v", text, got, err)
		}
	})
	for _, bad := range []string{"1", "1.2", "1.2.3.4", "1.2.!", "-1.2.3", "1.2.3z3z3z3z3z3z"} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q is a token", bad)
		}
	}
	if zero, err := ParseToken(""); err != nil || zero.String() != "" {
		t.Errorf("%v, %v", zero, err)
	}
}

// server is a model of one: transactions begin to write, write events, end.
type server struct {
	next pgq.TxID
	open map[pgq.TxID]bool
	seq  pgq.EventID
	rows map[pgq.TxID]pgq.EventID // the last event of each
}

func (s *server) snapshot() pgq.Snapshot {
	snap := pgq.Snapshot{Xmin: s.next, Xmax: s.next}
	for id := pgq.TxID(1); id < s.next; id++ {
		if s.open[id] {
			snap.Active = append(snap.Active, id)
			snap.Xmin = min(snap.Xmin, id)
		}
	}
	return snap
}

// one is any open transaction, 0 if there is none.
func (s *server) one(t *rapid.T) pgq.TxID {
	if len(s.open) == 0 {
		return 0
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(s.open))).Draw(t, "which")
}

// write has one of them, whose row is written already, write its event.
func (s *server) write(t *rapid.T) {
	if id := s.one(t); id > 0 {
		s.seq++
		s.rows[id] = s.seq
	}
}

// TestAgeNeverLies runs transactions, ticks and looks in any order: a tick said
// to have what a look saw has each event that the look saw.
func TestAgeNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &server{next: 1, open: map[pgq.TxID]bool{}, rows: map[pgq.TxID]pgq.EventID{}}
		h := history{keep: time.Hour, ticks: map[pgq.TickID]*mark{}}
		now := time.Now()
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Second)
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				s.open[s.next] = true
				s.next++
			case 1: // an event of one that has its id
				s.write(t)
			case 2, 3:
				if id := s.one(t); id > 0 {
					delete(s.open, id)
				}
			case 4:
				seq := s.seq
				if rapid.Bool().Draw(t, "event between") { // the sequence is read before the snapshot
					s.write(t)
				}
				h.addTicks([]pgq.Tick{{ID: pgq.TickID(step + 1), Snapshot: s.snapshot(), EventSeq: seq}}, now)
			case 5:
				snap := s.snapshot()
				h.addLook(look{now, londiste.QueueEnd{Snapshot: snap, EventSeq: s.seq}}, func(pgq.TickID) bool { return true })
			}
			for _, m := range h.ticks {
				for _, l := range h.looks {
					if l.at.After(m.asOf) {
						continue
					}
					for id := range s.rows {
						if l.end.Snapshot.Sees(id) && !m.Snapshot.Sees(id) {
							t.Fatalf("tick %d (%v) lacks the rows of %d, which a look saw that it is said to have: %v", m.ID, m.Snapshot, id, l.end.Snapshot)
						}
					}
				}
			}
		}
	})
}
