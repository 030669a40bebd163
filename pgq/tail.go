package pgq

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tail reads along a queue without being a consumer of it: nothing waits for
// it, and what it is too slow for it misses. It sees what ticks have seen, in
// the order in which consumers get it, and no events brought back for a retry.
type Tail struct {
	conn   *pgx.Conn
	queue  string
	reader *Reader
	at     Tick
}

// NewTail returns a tail of queue over conn, which stays the caller's.
func NewTail(conn *pgx.Conn, queue string) *Tail {
	return &Tail{conn: conn, queue: queue, reader: newOwnReader(conn, queue, 0)}
}

// Last returns the last n events, as far as the queue still has them.
func (t *Tail) Last(ctx context.Context, n int) ([]Event, error) {
	last, err := t.reader.Last(ctx)
	if err != nil {
		return nil, err
	}
	t.at = last
	if n <= 0 {
		return nil, nil
	}
	// Numbers of the sequence may have been drawn in vain, so it begins at an
	// earlier tick if there were too few.
	for want := int64(n); ; want *= 10 {
		begin, oldest, err := t.before(ctx, int64(last.EventSeq)-want)
		if err != nil {
			return nil, err
		}
		events, err := t.newest(ctx, begin, n)
		if err != nil || len(events) == n || oldest {
			return events, err
		}
	}
}

// before returns the last tick whose event sequence is not above seq, or the
// oldest one.
func (t *Tail) before(ctx context.Context, seq int64) (tick Tick, oldest bool, err error) {
	var id int64
	err = t.conn.QueryRow(ctx, `select tick_id, tick_id = min(tick_id) over () from pgq.tick
		where tick_queue = (select queue_id from pgq.queue where queue_name = $1)
		order by tick_event_seq <= $2 desc, case when tick_event_seq <= $2 then -tick_id else tick_id end
		limit 1`, t.queue, seq).Scan(&id, &oldest)
	if err != nil {
		return Tick{}, false, fmt.Errorf("queue %s: %w", t.queue, err)
	}
	tick, err = t.reader.Tick(ctx, TickID(id))
	return tick, oldest, err
}

// newest returns the last n events between a tick and the current one.
func (t *Tail) newest(ctx context.Context, from Tick, n int) ([]Event, error) {
	var ring []Event
	next := 0
	err := t.reader.Stream(ctx, from, t.at, func(raw *RawEvent) error {
		if len(ring) < n {
			ring = append(ring, raw.event(""))
			return nil
		}
		ring[next] = raw.event("")
		next = (next + 1) % n
		return nil
	})
	return append(ring[next:], ring[:next]...), err
}

// ErrMissed: a [Tail] was too slow, and events may have gone unseen.
var ErrMissed = errors.New("events may have been missed")

// More tells the events that came since, in the order of their ids, as soon as
// a tick has seen them; at once, which may be none at all. Where the queue has
// left the tail behind, it goes on from the newest tick and the error is
// [ErrMissed].
func (t *Tail) More(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		next, found, err := t.reader.Next(ctx, t.at, mergeEvents)
		if errors.Is(err, ErrTickNotFound) {
			if t.at, err = t.reader.Last(ctx); err == nil {
				err = ErrMissed
			}
		}
		if err != nil {
			yield(Event{}, err)
			return
		}
		if !found {
			return
		}
		err = t.reader.Stream(ctx, t.at, next, func(raw *RawEvent) error {
			if !yield(raw.event(""), nil) {
				return errBroken
			}
			return nil
		})
		switch {
		case err == nil:
			t.at = next
		case !errors.Is(err, errBroken):
			yield(Event{}, err)
		}
	}
}

// Wait waits for a tick, d at most. It is to be called with a connection that
// listens to [TickChannel], see [Tail.Listen].
func (t *Tail) Wait(ctx context.Context, d time.Duration) error {
	short, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, err := t.conn.WaitForNotification(short)
	if short.Err() != nil {
		return nil
	}
	return err
}

// Listen has the server notify the connection of ticks.
func (t *Tail) Listen(ctx context.Context) error {
	_, err := t.conn.Exec(ctx, "listen "+TickChannel)
	return err
}

// Over returns the tail at the place where it stands, over another connection.
func (t *Tail) Over(conn *pgx.Conn) *Tail {
	other := NewTail(conn, t.queue)
	other.at = t.at
	return other
}
