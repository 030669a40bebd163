package pgq

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// RetryEvent is an event that waits to be delivered to its consumer again.
type RetryEvent struct {
	Queue    string
	Consumer string
	After    time.Time     // when it comes back
	In       time.Duration // until then, by the server's clock; below 0: it is due
	Event    Event
}

// retryOf names the queue and the consumer of a row of the retry queue. The
// members of a cooperative consumer share its sub_id; they have no position.
const retryOf = `pgq.retry_queue r` + ownerOf

const ownerOf = `
	join pgq.queue q on q.queue_id = r.ev_queue
	left join lateral (
		select co_name from pgq.subscription join pgq.consumer on co_id = sub_consumer
		where sub_queue = r.ev_queue and sub_id = r.ev_owner order by sub_last_tick is null, co_id limit 1
	) c on true`

// Retries lists the events that wait for a retry, the first due first; "" means
// any queue or consumer, limit 0 all events.
func Retries(ctx context.Context, conn DB, queue, consumer string, limit int) ([]RetryEvent, error) {
	rows, err := conn.Query(ctx, `select q.queue_name, coalesce(c.co_name, ''), r.ev_retry_after,
			extract(epoch from r.ev_retry_after - now())::float8,
			r.ev_id, r.ev_time, coalesce(r.ev_txid, 0), coalesce(r.ev_retry, 0), coalesce(r.ev_type, ''),
			r.ev_data, r.ev_extra1, r.ev_extra2, r.ev_extra3, r.ev_extra4
		from `+retryOf+`
		where ($1 = '' or q.queue_name = $1) and ($2 = '' or c.co_name = $2)
		order by r.ev_retry_after, r.ev_id limit nullif($3, 0)`, queue, consumer, limit)
	if err != nil {
		return nil, fmt.Errorf("list events to be retried: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r RetryEvent, err error) {
		var in float64
		ev := &r.Event
		err = row.Scan(&r.Queue, &r.Consumer, &r.After, &in, &ev.ID, &ev.Time, &ev.TxID, &ev.Retry, &ev.Type,
			&ev.Data, &ev.Extra1, &ev.Extra2, &ev.Extra3, &ev.Extra4)
		r.In = seconds(in)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list events to be retried: %w", err)
	}
	return list, nil
}

// RetryNow makes events of one consumer due at once, all or those with these
// ids, and returns their number. The next round of maintenance brings them back.
func RetryNow(ctx context.Context, conn DB, queue, consumer string, ids []EventID) (int64, error) {
	return changeRetries(ctx, conn, `update pgq.retry_queue set ev_retry_after = now() where ev_retry_after > now() and`, queue, consumer, ids)
}

// PurgeRetries forgets events of one consumer that wait for a retry, all or
// those with these ids, and returns their number. They are lost.
func PurgeRetries(ctx context.Context, conn DB, queue, consumer string, ids []EventID) (int64, error) {
	return changeRetries(ctx, conn, `delete from pgq.retry_queue where`, queue, consumer, ids)
}

func changeRetries(ctx context.Context, conn DB, verb, queue, consumer string, ids []EventID) (int64, error) {
	n, err := change(ctx, conn, `with changed as (`+verb+` (ev_owner, ev_id) in (
			select r.ev_owner, r.ev_id from `+retryOf+`
			where q.queue_name = $1 and c.co_name = $2 and ($3::bigint[] is null or r.ev_id = any ($3))
		) returning 1) select count(*) from changed`, queue, consumer, numbers(ids))
	if err != nil {
		return 0, fmt.Errorf("events to be retried of %s on queue %s: %w", consumer, queue, err)
	}
	return n, nil
}
