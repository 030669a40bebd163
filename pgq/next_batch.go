package pgq

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/loop"
)

// dueSQL tells whether there is anything to open, without a write: opening
// locks the consumer's row, which a look every 100 ms should not.
const dueSQL = `select coalesce(bool_or(s.sub_batch is not null or exists (
		select from pgq.tick t where t.tick_queue = s.sub_queue and t.tick_id > s.sub_last_tick)), true)
	from pgq.subscription s
		join pgq.queue q on q.queue_id = s.sub_queue
		join pgq.consumer c on c.co_id = s.sub_consumer
	where q.queue_name = $1 and c.co_name = $2`

const openSQL = `select batch_id from pgq.next_batch_custom($1, $2, $3::interval, $4::int, $5::interval)`

const openMemberSQL = `select pgq_coop.next_batch_custom($1, $2, $6, $3::interval, $4::int, $5::interval, $7::interval)`

const batchSQL = `select q.queue_ntables, q.queue_data_pfx, s.sub_id,
		p.tick_id, p.tick_time, p.tick_snapshot::text, coalesce(p.tick_event_seq, 0),
		c.tick_id, c.tick_time, c.tick_snapshot::text, coalesce(c.tick_event_seq, 0)
	from pgq.subscription s
		join pgq.queue q on q.queue_id = s.sub_queue
		join pgq.tick p on p.tick_queue = s.sub_queue and p.tick_id = s.sub_last_tick
		join pgq.tick c on c.tick_queue = s.sub_queue and c.tick_id = s.sub_next_tick
	where s.sub_batch = $1`

// mergeEvents is how many events a batch is to have where so many wait.
const mergeEvents = 5000

// open opens the next batch, or finds the open one; nil if there is none.
func (r *consuming) open(ctx context.Context) (*Batch, error) {
	due := true
	if r.quiet && r.Member == "" {
		r.quiet = false
		if err := r.conn.QueryRow(ctx, dueSQL, r.Queue, r.Name).Scan(&due); err != nil || !due {
			return nil, err
		}
	}
	r.rung = false
	id, err := r.next(ctx)
	if err == nil && id == 0 {
		r.behind = false
		return nil, nil
	}
	var b *Batch
	if err == nil {
		b, err = r.describe(ctx, id)
	}
	err = known(err)
	switch {
	case errors.Is(err, ErrQueueNotFound), errors.Is(err, ErrConsumerNotFound),
		errors.Is(err, ErrPositionLost), errors.Is(err, ErrNotInstalled):
		err = loop.Permanent(err)
	}
	if err != nil {
		return nil, fmt.Errorf("queue %s, next batch of consumer %s: %w", r.Queue, r.Name, err)
	}
	r.behind = true
	return b, nil
}

// next returns the batch's number, 0 for none. Who is behind takes some
// thousands of events at once, rather than the few of each tick.
func (r *consuming) next(ctx context.Context) (BatchID, error) {
	limited := r.MinCount > 0 || r.MinInterval > 0 || r.Member != ""
	if !limited && r.behind {
		if id, err := r.nextOf(ctx, mergeEvents); err != nil || id != 0 {
			return id, err
		}
	}
	return r.nextOf(ctx, r.MinCount)
}

func (r *consuming) nextOf(ctx context.Context, count int) (BatchID, error) {
	var id *int64
	sql, args := openSQL, []any{r.Queue, r.Name, nonzero(r.MinLag), nonzero(count), nonzero(r.MinInterval)}
	if r.Member != "" {
		sql, args = openMemberSQL, append(args, r.Member, nonzero(r.DeadAfter))
	}
	err := failpoint.Commit(failpoint.Batch, func() error { return r.conn.QueryRow(ctx, r.can.calls.sql(sql), args...).Scan(&id) })
	if err != nil || id == nil {
		return 0, err
	}
	return BatchID(*id), nil
}

// nonzero is SQL's NULL for zero.
func nonzero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// describe reads what bounds an open batch.
func (r *consuming) describe(ctx context.Context, id BatchID) (*Batch, error) {
	var (
		ntables   int
		prefix    string
		owner     int32
		prev, cur string
		b         = &Batch{ID: id, Queue: r.Queue, member: r.Member != "", calls: r.can.calls, trace: r.Trace}
	)
	err := r.conn.QueryRow(ctx, batchSQL, int64(id)).Scan(&ntables, &prefix, &owner,
		&b.Prev.ID, &b.Prev.Time, &prev, &b.Prev.EventSeq, &b.Cur.ID, &b.Cur.Time, &cur, &b.Cur.EventSeq)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrBatchNotFound
	}
	if err != nil {
		return nil, err
	}
	if b.Prev.Snapshot, err = ParseSnapshot(prev); err != nil {
		return nil, err
	}
	if b.Cur.Snapshot, err = ParseSnapshot(cur); err != nil {
		return nil, err
	}
	if !b.Cur.Snapshot.Covers(b.Prev.Snapshot) {
		return nil, fmt.Errorf("tick %d does not see all that tick %d saw: %s, %s", b.Cur.ID, b.Prev.ID, b.Cur.Snapshot, b.Prev.Snapshot)
	}
	if r.reader == nil || r.reader.conn != r.conn {
		r.reader = newOwnReader(r.conn, r.Queue, owner)
	}
	b.reader = r.reader
	b.reader.owner, b.reader.filter, b.reader.AsFound = owner, "", true
	if b.member && r.can.keys {
		// What a filter leaves out would look like disorder.
		b.reader.AsFound = false
		err := r.conn.QueryRow(ctx, r.can.calls.sql(`select coalesce(skytools.coop_filter($1), '')`), int64(id)).Scan(&b.reader.filter)
		if err != nil {
			return nil, err
		}
	}
	return b, b.reader.setTables(prefix, ntables)
}
