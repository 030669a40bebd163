package pgq

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// insertTimed writes into the current event table itself, for a fraction of what
// pgq.insert_event_raw costs for each. The defaults of the table give the events
// their ids, in the order of the rows, and the transaction's.
const insertTimed = `with written as (
		insert into %s (ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
		select at, t, d, e1, e2, e3, e4
		from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
			with ordinality as e (at, t, d, e1, e2, e3, e4, nr)
		order by nr
		returning ev_id
	) select coalesce(array_agg(ev_id order by ev_id), '{}') from written`

// InsertTimed is [Producer.InsertMany] that keeps the events' Time, for events
// that come from another queue. It takes the rights of pgq_admin, see
// [MayTime], and a transaction, for which the current event table stays the
// same.
func (p *Producer) InsertTimed(ctx context.Context, tx pgx.Tx, events []Event) ([]EventID, error) {
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
	fail := func(err error) ([]EventID, error) {
		return nil, fmt.Errorf("insert into queue %s: %w", p.Queue, known(err))
	}
	var current string
	// With the transaction's id, which the extension's function does not ask for:
	// the first row would draw its number before.
	if err := tx.QueryRow(ctx, `select pgq.current_event_table($1), txid_current()`, p.Queue).Scan(&current, nil); err != nil {
		return fail(err)
	}
	table, err := ident.Parse(current)
	if err != nil {
		return fail(err)
	}
	var ids []EventID
	err = tx.QueryRow(ctx, fmt.Sprintf(insertTimed, table.SQL()), times, fields.types, fields.data,
		fields.extra[0], fields.extra[1], fields.extra[2], fields.extra[3]).Scan(&ids)
	if err != nil {
		return fail(err)
	}
	return ids, nil
}

// MayTime tells whether the role may give events a time: whether it may write
// event tables, whose rights are those of their template.
func MayTime(ctx context.Context, tx DB) (may bool, err error) {
	err = tx.QueryRow(ctx, `select coalesce(has_table_privilege(to_regclass('pgq.event_template'), 'insert'), false)`).Scan(&may)
	return may, err
}
