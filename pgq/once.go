package pgq

import (
	"context"
	"time"
)

// InsertAt has an event written at that time, or soon after: it gets its id
// then, so events are in the order of their times. The number it returns is
// not the event's; skytools.cancel_delayed takes it.
func (p *Producer) InsertAt(ctx context.Context, tx DB, at time.Time, ev Event) (int64, error) {
	var id int64
	err := p.write(ctx, tx, func(c calls) error {
		return tx.QueryRow(ctx, c.sql(`select skytools.insert_event_at($1, $2, $3, $4, $5, $6, $7, $8)`),
			p.Queue, at, ev.Type, text(ev.Data),
			text(ev.Extra1), text(ev.Extra2), text(ev.Extra3), text(p.extra4(ctx, ev))).Scan(&id)
	})
	return id, err
}

// InsertOnce writes an event unless one was written under the same key, which
// is remembered for keep. It returns the event's id, of then or of now, and
// whether it is new.
func (p *Producer) InsertOnce(ctx context.Context, tx DB, key string, keep time.Duration, ev Event) (id EventID, isNew bool, err error) {
	err = p.write(ctx, tx, func(c calls) error {
		return tx.QueryRow(ctx, c.sql(`select ev_id, is_new from skytools.insert_event_once($1, $2, $3, $4, $5, $6, $7, $8, $9)`),
			p.Queue, key, keep, ev.Type, text(ev.Data),
			text(ev.Extra1), text(ev.Extra2), text(ev.Extra3), text(p.extra4(ctx, ev))).Scan(&id, &isNew)
	})
	return id, isNew, err
}
