package ticker

import (
	"context"
	"errors"
	"time"

	"github.com/skytools-go/skytools/pgq"
)

// What a queue's event sequence does not tell the ticker: when the extension's
// own ticks are due, and events of transactions that end after the tick that
// has counted their numbers.

// due tells whether a tick that there is a reason for may be asked for now.
// Where the extension makes the ticks, max_count and max_lag are waited for;
// to be asked before, it would have to be shown events that do not exist.
func (s sighting) due(q *ticking) bool {
	return s.ours || !q.known || s.seq-int64(q.last.EventSeq) >= s.maxCount ||
		s.now.Sub(q.last.Time).Seconds() >= min(s.maxLag, s.idle)
}

// unsureFor is how long after a tick of the extension's a transaction may get
// its id although it drew its numbers before.
const unsureFor = time.Second

// unsure tells whether q.late may be too low: the extension's insert_event
// draws the event's number before its transaction has an id, ours after.
func (t *Ticker) unsure(q *ticking) bool {
	return t.beside && q.known && time.Since(q.found) < unsureFor
}

// extendLate makes all transactions that have begun by now late ones.
func (q *ticking) extendLate(snapshot *string) error {
	if snapshot == nil {
		return nil // the tick was found after this look was begun
	}
	now, err := pgq.ParseSnapshot(*snapshot)
	q.late = max(q.late, now.Xmax)
	return err
}

// lateEvents tells whether a transaction has ended since the last look that
// wrote events under numbers drawn before the last tick. Not "tick until they
// have all ended": one transaction held open would make ticks all the time.
func (q *ticking) lateEvents(ctx context.Context, snapshot *string) (bool, error) {
	if q.late == 0 || snapshot == nil {
		return false, nil
	}
	now, err := pgq.ParseSnapshot(*snapshot)
	if err != nil {
		return false, err
	}
	wrote, err := q.reader.Wrote(ctx, q.probed, now, q.late)
	if err != nil || wrote {
		return wrote, err // found again at the next look if no tick comes of it
	}
	q.probed = now.Below(q.late)
	if now.Xmin >= q.late {
		q.late = 0
	}
	return false, nil
}

// refresh reads the newest tick, whoever made it.
func (q *ticking) refresh(ctx context.Context) error {
	newest, writer, err := q.reader.Newest(ctx)
	if errors.Is(err, pgq.ErrTickNotFound) || errors.Is(err, pgq.ErrQueueNotFound) {
		q.known = false
		return nil
	}
	if err != nil || q.known && newest.ID == q.last.ID {
		return err
	}
	q.known, q.last, q.probed, q.found = true, newest, newest.Snapshot, time.Now()
	// Who drew event numbers before the tick had a transaction id by then (the
	// writing functions see to that), lower than the one of the transaction
	// that wrote the tick, which got its own after the snapshot.
	q.late = newest.Snapshot.Xmax
	if ahead := int32(writer - uint32(q.late)); ahead > 0 {
		q.late += pgq.TxID(ahead)
	}
	if newest.Snapshot.Xmin >= q.late {
		q.late = 0
	}
	return nil
}
