package pgq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// OpenBatch is a batch that a consumer has been given and has not ended.
type OpenBatch struct {
	ID       int64
	Queue    string
	Consumer string
	PrevTick TickID
	Tick     TickID
	Begin    time.Time // of PrevTick
	End      time.Time // of Tick
	Lag      time.Duration
}

// OpenBatches lists the open batches of a consumer, on any queue, or of all for
// "".
func OpenBatches(ctx context.Context, conn DB, consumer string) ([]OpenBatch, error) {
	rows, err := conn.Query(ctx, `select i.batch from pgq.get_consumer_info() c, lateral (select c.current_batch) i (batch)
		where i.batch is not null and ($1 = '' or c.consumer_name = $1) order by c.queue_name, c.consumer_name`, consumer)
	if err != nil {
		return nil, fmt.Errorf("list open batches: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("list open batches: %w", err)
	}
	var open []OpenBatch
	for _, id := range ids {
		switch b, err := ReadOpenBatch(ctx, conn, id); {
		case err == nil:
			open = append(open, b)
		case !errors.Is(err, ErrBatchNotFound): // ended meanwhile
			return nil, err
		}
	}
	return open, nil
}

// ReadOpenBatch reads the batch of that number, or returns [ErrBatchNotFound].
func ReadOpenBatch(ctx context.Context, conn DB, id int64) (OpenBatch, error) {
	b := OpenBatch{ID: id}
	var lag float64
	c, err := mayRead.callsOnBatch(ctx, conn, id)
	if err != nil {
		return b, fmt.Errorf("batch %d: %w", id, known(err))
	}
	err = conn.QueryRow(ctx, c.sql(`select queue_name, consumer_name, prev_tick_id, tick_id, batch_start, batch_end,
			extract(epoch from lag)::float8
		from pgq.get_batch_info($1) where queue_name is not null`), id).
		Scan(&b.Queue, &b.Consumer, &b.PrevTick, &b.Tick, &b.Begin, &b.End, &lag)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrBatchNotFound
	}
	if err != nil {
		return b, fmt.Errorf("batch %d: %w", id, known(err))
	}
	b.Lag = seconds(lag)
	return b, nil
}

// EventKind sums up the events of one type.
type EventKind struct {
	Type    string
	Events  int64
	Retried int64 // of them, how many came back
	First   EventID
	Last    EventID
	Bytes   int64 // of data
}

// BatchKinds sums up an open batch by type.
func BatchKinds(ctx context.Context, conn DB, batch int64) ([]EventKind, error) {
	c, err := mayRead.callsOnBatch(ctx, conn, batch)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	rows, err := conn.Query(ctx, c.sql(`select coalesce(ev_type, ''), count(*), count(*) filter (where ev_retry > 0),
			min(ev_id), max(ev_id), coalesce(sum(octet_length(ev_data)), 0)
		from pgq.get_batch_events($1) group by 1 order by 1`), batch)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	kinds, err := pgx.CollectRows(rows, pgx.RowToStructByPos[EventKind])
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	return kinds, nil
}

// BatchEvents reads the first events of an open batch; limit 0 means all.
func BatchEvents(ctx context.Context, conn DB, batch int64, limit int) ([]Event, error) {
	c, err := mayRead.callsOnBatch(ctx, conn, batch)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	rows, err := conn.Query(ctx, c.sql(`select ev_id, ev_time, ev_txid, coalesce(ev_retry, 0), coalesce(ev_type, ''),
			ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
		from pgq.get_batch_events($1) order by ev_id limit nullif($2, 0)`), batch, limit)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	events, err := pgx.CollectRows(rows, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	return events, nil
}

// BatchEventIDs are those of an open batch's events for which a condition in
// SQL over their columns holds. It runs with the rights of the caller.
func BatchEventIDs(ctx context.Context, conn DB, batch BatchID, where string) ([]EventID, error) {
	c, err := mayRead.callsOnBatch(ctx, conn, int64(batch))
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	rows, err := conn.Query(ctx, c.sql(`select ev_id from pgq.get_batch_events($1)`)+` where (`+where+`
		)`, int64(batch))
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[EventID])
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", batch, known(err))
	}
	return ids, nil
}

// scanEvent scans the ten columns of an event.
func scanEvent(row pgx.CollectableRow) (ev Event, err error) {
	err = row.Scan(&ev.ID, &ev.Time, &ev.TxID, &ev.Retry, &ev.Type, (*[]byte)(&ev.Data), &ev.Extra1, &ev.Extra2, &ev.Extra3, &ev.Extra4)
	return ev, err
}
