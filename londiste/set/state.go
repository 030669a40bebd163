package set

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skytools-go/skytools/pgq"
)

// Phase is what a table is in, without the tick that two phases carry.
type Phase int

// The phases of a table at a subscriber, in the order of a copy.
const (
	None       Phase = iota // waits for a copy; merge_state is null
	InCopy                  // rows are being copied
	CatchingUp              // its events since the copy's start are being applied
	WannaSync               // caught up to a tick, waits for the worker
	DoSync                  // the worker waits at a tick for the table to reach it
	OK                      // applied by the worker with all others
)

// PhaseNames are the words of the database, by Phase; None has none.
var PhaseNames = [...]string{"", "in-copy", "catching-up", "wanna-sync", "do-sync", "ok"}

// State is a table's merge_state. Tick is set in WannaSync and DoSync only.
type State struct {
	Phase Phase
	Tick  pgq.TickID
}

// ParseState reads londiste.table_info.merge_state; nil is null. "?" is an
// old name of ok.
func ParseState(text *string) (State, error) {
	if text == nil {
		return State{}, nil
	}
	name, tick, timed := strings.Cut(*text, ":")
	if name == "?" {
		name = "ok"
	}
	for p, n := range PhaseNames {
		phase := Phase(p)
		if phase == None || n != name || timed != phase.timed() {
			continue
		}
		s := State{Phase: phase}
		if timed {
			id, err := strconv.ParseInt(tick, 10, 64)
			if err != nil {
				break
			}
			s.Tick = pgq.TickID(id)
		}
		return s, nil
	}
	return State{}, fmt.Errorf("table state %q is unknown", *text)
}

// Text is the form of the database; nil is null.
func (s State) Text() *string {
	if s.Phase == None {
		return nil
	}
	text := PhaseNames[s.Phase]
	if s.Phase.timed() {
		text += ":" + strconv.FormatInt(int64(s.Tick), 10)
	}
	return &text
}

// String is the form of `subscriber tables`: "-" for null.
func (s State) String() string {
	if text := s.Text(); text != nil {
		return *text
	}
	return "-"
}

func (p Phase) timed() bool { return p == WannaSync || p == DoSync }

// String is the phase's name, "-" for None.
func (p Phase) String() string {
	if p == None {
		return "-"
	}
	return PhaseNames[p]
}

// Owner is who may move a table out of a phase.
type Owner int

// The owners.
const (
	Setup  Owner = iota // a command of the administrator
	Main                // the worker's main loop
	Copier              // the goroutine that copies the table
)

// transitions is the whole machine: what is not here does not happen.
var transitions = []struct {
	from, to Phase
	by       Owner
}{
	{None, InCopy, Copier}, // the worker has given it a place
	{InCopy, CatchingUp, Copier},
	{CatchingUp, WannaSync, Copier},
	{WannaSync, DoSync, Main},
	{DoSync, OK, Copier},

	// The worker waits no longer for a copy that does not get there.
	{DoSync, CatchingUp, Main},

	// Parked, see park.go: a batch was applied without the table; or set aside, see
	// part.go: a part of it is to be copied anew. Retried it goes on from there, or
	// is parked again; given up it waits for a resync.
	{OK, CatchingUp, Main},
	{DoSync, CatchingUp, Copier},
	{CatchingUp, None, Main},

	// The provider forgot where the copy stood: it starts anew.
	{CatchingUp, None, Copier},
	{DoSync, None, Copier},

	// resync; the worker drops what it was doing for the table.
	{InCopy, None, Setup},
	{CatchingUp, None, Setup},
	{WannaSync, None, Setup},
	{DoSync, None, Setup},
	{OK, None, Setup},
}

// May tells whether by may move a table from one phase to another.
func (by Owner) May(from, to Phase) bool {
	for _, t := range transitions {
		if t.from == from && t.to == to && t.by == by {
			return true
		}
	}
	return false
}
