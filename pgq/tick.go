package pgq

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TickChannel is notified after each tick; the payload is the queue's name.
const TickChannel = "skytools_tick"

// TickID numbers the ticks of one queue, growing.
type TickID int64

// EventID numbers the events of one queue, in the order of their writing.
type EventID int64

// TxID is a 64-bit transaction id, epoch included, as txid_current() gives it.
type TxID uint64

// Tick is a moment of a queue: everything its snapshot sees was written
// before it (table pgq.tick).
type Tick struct {
	ID       TickID
	Time     time.Time
	Snapshot Snapshot
	EventSeq EventID // value of the queue's event sequence, read before the snapshot
	Barrier  Barrier // what readers stop at the tick for; zero: nothing
}

// Snapshot is a txid_snapshot: which transactions were done at a moment.
type Snapshot struct {
	Xmin   TxID   // all below were done
	Xmax   TxID   // none from here on had begun to write
	Active []TxID // those between that were still open, ascending
}

// ParseSnapshot reads PostgreSQL's text form, `xmin:xmax:open,open,…`.
func ParseSnapshot(s string) (Snapshot, error) {
	bad := func() (Snapshot, error) { return Snapshot{}, fmt.Errorf("snapshot %q: not xmin:xmax:list", s) }
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return bad()
	}
	xmin, err1 := strconv.ParseUint(parts[0], 10, 64)
	xmax, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil || xmin > xmax {
		return bad()
	}
	snap := Snapshot{Xmin: TxID(xmin), Xmax: TxID(xmax)}
	if parts[2] == "" {
		return snap, nil
	}
	for item := range strings.SplitSeq(parts[2], ",") {
		id, err := strconv.ParseUint(item, 10, 64)
		if err != nil || id < xmin || id >= xmax {
			return bad()
		}
		snap.Active = append(snap.Active, TxID(id))
	}
	if !slices.IsSorted(snap.Active) {
		return bad()
	}
	return snap, nil
}

// String is the form that [ParseSnapshot] reads.
func (s Snapshot) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d:", s.Xmin, s.Xmax)
	for i, id := range s.Active {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", id)
	}
	return b.String()
}

// Sees tells whether the transaction was done when the snapshot was taken.
func (s Snapshot) Sees(id TxID) bool {
	if id < s.Xmin {
		return true
	}
	if id >= s.Xmax {
		return false
	}
	_, open := slices.BinarySearch(s.Active, id)
	return !open
}

// Covers tells whether s sees all that older sees: a tick whose snapshot does
// not cover the one before it would deliver events twice.
func (s Snapshot) Covers(older Snapshot) bool {
	if s.Xmax < older.Xmax {
		return false
	}
	for _, id := range s.Active {
		if older.Sees(id) {
			return false
		}
	}
	return true
}

// Below is the snapshot as if no transaction from limit on had begun.
func (s Snapshot) Below(limit TxID) Snapshot {
	if limit >= s.Xmax {
		return s
	}
	n, _ := slices.BinarySearch(s.Active, limit)
	return Snapshot{Xmin: min(s.Xmin, limit), Xmax: limit, Active: s.Active[:n]}
}
