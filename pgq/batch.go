package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
)

// BatchID numbers the batches that consumers have opened, of all queues.
type BatchID int64

// Batch is what a [Handler] gets: the events between two ticks. It is the
// handler's until that returns.
type Batch struct {
	ID    BatchID
	Queue string
	// Prev and Cur are the ticks that bound it: it has what Cur sees and Prev
	// does not.
	Prev, Cur Tick

	reader *Reader
	member bool // of a cooperative consumer
	calls  calls
	trace  func(ctx context.Context, carrier string) context.Context
	read   bool  // the last time it was to its end
	err    error // that ended the last reading
	wishes wishes
}

var errBroken = errors.New("reading was broken off")

// Events reads the batch, in the order of event ids, which for two changes of
// one row is the order in which they were made. Events that were asked to come
// again are among them, with a [Event.Retry] above 0. An error is the last
// thing that is told. Each call reads the batch from its beginning.
//
// However large the batch, about a megabyte of it is in memory. A batch of that
// size has been read when the loop's body first runs; in a larger one the
// server waits for the body, with its statement open, and to leave the loop
// early costs the consumer its connection.
func (b *Batch) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		b.read, b.err = false, nil
		var ahead []Event
		var before string
		size := 0
		tell := func() error {
			for _, ev := range ahead {
				if !yield(ev, nil) {
					return errBroken
				}
			}
			ahead, size = ahead[:0], 0
			return nil
		}
		err := b.reader.Stream(ctx, b.Prev, b.Cur, func(raw *RawEvent) error {
			ahead = append(ahead, raw.event(before))
			before = ahead[len(ahead)-1].Type
			if size += raw.size(); size < readAhead {
				return nil
			}
			return tell()
		})
		if err == nil {
			err = tell()
		}
		switch {
		case errors.Is(err, errBroken):
		case err != nil:
			b.err = err
			yield(Event{}, err)
		default:
			b.read = true
		}
	}
}

// readAhead is how many bytes of a batch are taken from the server at once.
const readAhead = 1 << 20

// whole is the error of a batch whose handler is content without having seen
// all of it: to go on then would lose events.
func (b *Batch) whole() error {
	switch {
	case b.err != nil:
		return b.err
	case !b.read:
		return fmt.Errorf("queue %s, batch %d: %w", b.Queue, b.ID, ErrUnread)
	}
	return nil
}

// Context returns ctx with the trace context that the event's producer sent
// along, if there is one and [Consumer.Trace] is set.
func (b *Batch) Context(ctx context.Context, ev Event) context.Context {
	if b.trace == nil || ev.Extra4 == nil {
		return ctx
	}
	return b.trace(ctx, string(ev.Extra4))
}

// Retry has the event delivered to this consumer again, not before after has
// passed, in a batch to come. It is asked of the queue together with the end
// of the batch, so a batch that fails has asked for nothing. Where the queue
// has a max_attempts and the event has had as many, it goes to the dead
// letters instead.
func (b *Batch) Retry(ev Event, after time.Duration) { b.wishes.retry(ev.ID, after) }

// Dead puts the event aside into the queue's dead letters, where
// skytools.dead_events lists it and skytools.dead_replay brings it back. Like
// [Batch.Retry] it is done together with the end of the batch.
func (b *Batch) Dead(ev Event, reason string) { b.wishes.dead(ev.ID, reason) }

// wishes are what a handler wants of the queue for single events. Each event
// has one wish, the last.
type wishes struct {
	Retries map[time.Duration][]EventID `json:"retries,omitempty"`
	Deads   map[string][]EventID        `json:"deads,omitempty"`
	of      map[EventID]func(EventID)   // takes back the event's wish
}

func (w *wishes) retry(id EventID, after time.Duration) {
	w.take(id)
	if w.Retries == nil {
		w.Retries = map[time.Duration][]EventID{}
	}
	after = max(0, after)
	w.Retries[after] = append(w.Retries[after], id)
	w.of[id] = func(id EventID) { drop(w.Retries, after, id) }
}

func (w *wishes) dead(id EventID, reason string) {
	w.take(id)
	if w.Deads == nil {
		w.Deads = map[string][]EventID{}
	}
	w.Deads[reason] = append(w.Deads[reason], id)
	w.of[id] = func(id EventID) { drop(w.Deads, reason, id) }
}

// take takes back what was wished for the event.
func (w *wishes) take(id EventID) {
	if w.of == nil {
		w.of = map[EventID]func(EventID){}
	}
	if undo := w.of[id]; undo != nil {
		undo(id)
	}
}

func drop[K comparable](m map[K][]EventID, key K, id EventID) {
	m[key] = slices.DeleteFunc(m[key], func(e EventID) bool { return e == id })
	if len(m[key]) == 0 {
		delete(m, key)
	}
}

// json is how a position keeps them; nil for none.
func (w *wishes) json() (*string, error) {
	if w.none() {
		return nil, nil
	}
	text, err := json.Marshal(w)
	s := string(text)
	return &s, err
}

func (w *wishes) none() bool { return len(w.Retries) == 0 && len(w.Deads) == 0 }

// abilities are what the database's PgQ has beyond upstream's, and how its
// functions are called.
type abilities struct {
	manyRetries, deadLetters, members, keys bool
	calls                                   calls // that the role makes
}

// finish ends the batch at the queue, with all that was wished, in one
// transaction. It tells false when the batch had been ended before.
func (b *Batch) finish(ctx context.Context, conn *pgx.Conn, can abilities) (bool, error) {
	var n int
	end := `select pgq.finish_batch($1)`
	if b.member {
		end = `select pgq_coop.finish_batch($1)`
	}
	end = can.calls.sql(end)
	err := failpoint.Commit(failpoint.Finish, func() error {
		if b.wishes.none() {
			return conn.QueryRow(ctx, end, int64(b.ID)).Scan(&n)
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
		if err := b.ask(ctx, tx, can); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, end, int64(b.ID)).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return nil // who ended the batch has asked for its events: rolled back
		}
		return tx.Commit(ctx)
	})
	if err != nil {
		return false, fmt.Errorf("queue %s, finish batch %d: %w", b.Queue, b.ID, known(err))
	}
	return n == 1, nil
}

// ask tells the wishes, in an order that does not change from try to try.
func (b *Batch) ask(ctx context.Context, tx pgx.Tx, can abilities) error {
	for _, after := range slices.Sorted(maps.Keys(b.wishes.Retries)) {
		if err := b.askRetry(ctx, tx, can, b.wishes.Retries[after], after); err != nil {
			return err
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(b.wishes.Deads)) {
		if !can.deadLetters {
			return fmt.Errorf("dead letters: %w", ErrNotInstalled)
		}
		_, err := tx.Exec(ctx, can.calls.sql(`select skytools.event_dead($1, $2, $3)`), int64(b.ID), numbers(b.wishes.Deads[reason]), reason)
		if err != nil {
			return err
		}
	}
	return nil
}

// numbers is a type whose name in SQL pgx knows without asking.
func numbers(ids []EventID) []int64 {
	if ids == nil {
		return nil
	}
	list := make([]int64, len(ids))
	for i, id := range ids {
		list[i] = int64(id)
	}
	return list
}

func (b *Batch) askRetry(ctx context.Context, tx pgx.Tx, can abilities, ids []EventID, after time.Duration) error {
	if can.manyRetries {
		_, err := tx.Exec(ctx, can.calls.sql(`select skytools.event_retry($1, $2::bigint[], $3::interval)`), int64(b.ID), numbers(ids), after)
		return err
	}
	for _, id := range ids {
		_, err := tx.Exec(ctx, can.calls.sql(`select pgq.event_retry($1, $2::bigint, now() + $3::interval)`), int64(b.ID), int64(id), after)
		if err != nil {
			return err
		}
	}
	return nil
}
