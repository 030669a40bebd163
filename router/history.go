package router

import (
	"time"

	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

// history is what the looks at the root have told, of one run of it.
type history struct {
	keep   time.Duration // how long a look is kept
	run    run
	server string // system identifier
	last   pgq.TickID
	looks  []look // oldest first
	ticks  map[pgq.TickID]*mark
}

// look is the root as of a moment of this program's clock: whatever was
// committed before at is seen by the snapshot.
type look struct {
	at  time.Time
	end londiste.QueueEnd
}

// mark is a tick, and the last moment as of which it has everything; zero where
// it is behind each look that is kept.
type mark struct {
	pgq.Tick
	asOf time.Time
	came time.Time
}

// begin forgets everything where the root is another one than before, or was
// started anew, and tells whether.
func (h *history) begin(end *londiste.QueueEnd) bool {
	now := runOf(end.Started, end.Database)
	if h.run == now && h.server == end.Server {
		return false
	}
	*h = history{keep: h.keep, run: now, server: end.Server, ticks: map[pgq.TickID]*mark{}}
	return true
}

// addLook notes a look; standing are the ticks to keep however old they are.
func (h *history) addLook(l look, standing func(pgq.TickID) bool) {
	old := l.at.Add(-h.keep)
	n := 0
	for n < len(h.looks) && h.looks[n].at.Before(old) {
		n++
	}
	h.looks = append(h.looks[n:], l)
	for id, m := range h.ticks {
		switch {
		case l.end.InTick(&m.Tick):
			m.asOf = l.at
		case m.came.Before(old) && !standing(id):
			delete(h.ticks, id)
		}
	}
}

// addTicks notes ticks that a look found.
func (h *history) addTicks(ticks []pgq.Tick, came time.Time) {
	for _, t := range ticks {
		m := &mark{Tick: t, came: came}
		for i := len(h.looks) - 1; i >= 0; i-- {
			if h.looks[i].end.InTick(&t) {
				m.asOf = h.looks[i].at
				break
			}
		}
		h.ticks[t.ID] = m
		h.last = max(h.last, t.ID)
	}
}

// has tells whether who stands at the tick has what all the tokens' transactions
// wrote. What is not proven is not so.
func (h *history) has(tokens []Token, m *mark) bool {
	for _, t := range tokens {
		if t.run != h.run || !m.Snapshot.Sees(t.tx) {
			return false
		}
	}
	return true
}

// mayCome tells whether a replica can ever have the tokens' rows for sure. A
// token of a later run is one that the next look will know.
func (h *history) mayCome(tokens []Token) bool {
	for _, t := range tokens {
		if t.run.database != h.run.database || t.run.started < h.run.started {
			return false
		}
	}
	return true
}
