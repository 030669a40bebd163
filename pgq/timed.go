package pgq

import (
	"context"
	"fmt"
	"time"
)

const insertTimed = `select coalesce(array_agg(id order by nr), '{}') from (
		select pgq.insert_event_raw($1, null, at, null, null, t, d, e1, e2, e3, e4) as id, nr
		from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
			with ordinality as e (at, t, d, e1, e2, e3, e4, nr)
		order by nr
	) e`

// InsertTimed is [Producer.InsertMany] that keeps the events' Time, for events
// that come from another queue. It takes the rights of pgq_admin, see
// [MayTime].
func (p *Producer) InsertTimed(ctx context.Context, tx DB, events []Event) ([]EventID, error) {
	if len(events) == 0 {
		return nil, nil
	}
	times := make([]time.Time, len(events))
	for i, ev := range events {
		times[i] = ev.Time
	}
	fields := columns(events, p.extra4Of(ctx))
	for i, extra := range fields.extra {
		if extra == nil { // a NULL in place of an array would have no rows
			fields.extra[i] = make([]*string, len(events))
		}
	}
	var ids []EventID
	err := tx.QueryRow(ctx, insertTimed, p.Queue, times, fields.types, fields.data,
		fields.extra[0], fields.extra[1], fields.extra[2], fields.extra[3]).Scan(&ids)
	if err != nil {
		return nil, fmt.Errorf("insert into queue %s: %w", p.Queue, known(err))
	}
	return ids, nil
}

// MayTime tells whether the role may give events a time.
func MayTime(ctx context.Context, tx DB) (may bool, err error) {
	err = tx.QueryRow(ctx, `select coalesce(has_function_privilege(to_regprocedure(
		'pgq.insert_event_raw(text, bigint, timestamptz, int, int, text, text, text, text, text, text)'), 'execute'), false)`).Scan(&may)
	return may, err
}
