package pgq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Reader reads ticks and events of one queue over one connection to the
// provider. It holds no position: callers say from which tick to which. It
// needs PgQ's tables alone, whoever made them, and is not for concurrent use.
type Reader struct {
	// AsFound spares the sorting of large batches that lie in order already.
	// Stream may then have to take back what it told, with ErrOutOfOrder.
	AsFound bool

	conn   *pgx.Conn
	queue  string
	owner  int32    // sub_id of the consumer whose retried events are told, too
	filter string   // a condition in SQL that events fulfil, "" for all
	tables []string // the queue's event tables, ready for a statement
	prefix string   // queue_data_pfx that tables was made of
	decode decoder
	chunk  EventID // ids that the first part of a batch spans
	sorts  int     // large batches that are to be sorted unseen
	bars   barrierTable
	begun  map[TxID]EventID // of transactions open in the last batch's tick: their events have larger ids
}

// newOwnReader returns a reader for one consumer: it tells the events of the
// retry queue that are the consumer's, and all columns.
func newOwnReader(conn *pgx.Conn, queue string, owner int32) *Reader {
	r := NewReader(conn, queue)
	r.owner, r.decode.whole = owner, true
	return r
}

// NewReader returns a reader of queue over conn, which stays the caller's.
func NewReader(conn *pgx.Conn, queue string) *Reader {
	return &Reader{conn: conn, queue: queue, chunk: firstChunk}
}

// tickStatements find ticks. Each reads the queue's row along with the tick, so
// that a queue that was dropped and created anew is never read by its old
// tables.
type tickStatements struct{ byID, next, first string }

const (
	tickColumns = `q.queue_ntables, q.queue_data_pfx, t.tick_id, t.tick_time, t.tick_snapshot::text, t.tick_event_seq`

	tickLast = `select ` + tickColumns + `, null::text, null::text, t.xmin::text::bigint
		from pgq.queue q left join lateral (
			select *, xmin from pgq.tick where tick_queue = q.queue_id order by tick_id desc limit 1
		) t on true
		where q.queue_name = $1`

	tickByID = `select ` + tickColumns + `, %[1]s
		from pgq.queue q left join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = $2 %[2]s
		where q.queue_name = $1`

	// The search for a closing tick looks at no more than mergeTicks ticks
	// after the opening one ($2), up to $4 or the first barrier, and takes the
	// last that stays within the event sequence's value $3, else the first.
	// Among ticks older than settledAge only the last of a second is taken,
	// because thinning deletes the others (skytools.maint_thin_ticks) and a
	// position must stay a tick that exists. The 0th row tells whether the
	// opening tick does.
	tickNext = `select ` + tickColumns + `, %[1]s, q.prev_found
		from (
			select q.*, exists (select 1 from pgq.tick where tick_queue = queue_id and tick_id = $2) as prev_found,
				least($4::bigint, %[3]s) as upto
			from pgq.queue q where queue_name = $1
		) q left join lateral (
			select * from (
				select w.*, row_number() over (order by tick_id) as nr,
					coalesce(tick_event_seq, 0) <= $3 as fits,
					tick_time > clock_timestamp() - $6::interval
						or date_trunc('second', tick_time)
							is distinct from date_trunc('second', lead(tick_time) over (order by tick_id)) as lasting
				from (
					select * from pgq.tick
					where tick_queue = q.queue_id and tick_id > $2 and tick_id <= q.upto
					order by tick_id limit $5::int + 1
				) w
			) c
			where nr <= $5
			order by lasting and fits desc, lasting desc,
				case when lasting and fits then -tick_id else tick_id end
			limit 1
		) t on true %[2]s`

	tickFirst = `select ` + tickColumns + `, %[1]s, exists (
			select 1 from pgq.tick where tick_queue = q.queue_id and tick_id = $2)
		from pgq.queue q left join lateral (
			select * from pgq.tick
			where tick_queue = q.queue_id and tick_id > $2 and tick_id <= $3
			order by tick_id limit 1
		) t on true %[2]s
		where q.queue_name = $1`

	mergeTicks = 1000
	settledAge = 5 * time.Minute
	noLimit    = TickID(1<<63 - 1)
)

// Tick returns the tick of that number, or [ErrTickNotFound].
func (r *Reader) Tick(ctx context.Context, id TickID) (Tick, error) {
	find, err := r.bars.statements(ctx, r.conn)
	if err != nil {
		return Tick{}, fmt.Errorf("queue %s, tick %d: %w", r.queue, id, err)
	}
	t, found, err := r.one(r.conn.QueryRow(ctx, find.byID, r.queue, int64(id)))
	if err == nil && !found {
		err = ErrTickNotFound
	}
	if err != nil {
		return Tick{}, fmt.Errorf("queue %s, tick %d: %w", r.queue, id, err)
	}
	return t, nil
}

// Last returns the newest tick; a queue without any has [ErrTickNotFound].
func (r *Reader) Last(ctx context.Context) (Tick, error) {
	t, _, err := r.Newest(ctx)
	return t, err
}

// Newest is Last with the id of the transaction that wrote the tick, as far
// as a row tells: without its epoch.
func (r *Reader) Newest(ctx context.Context) (Tick, uint32, error) {
	var writer *int64
	t, found, err := r.one(r.conn.QueryRow(ctx, tickLast, r.queue), &writer)
	if err == nil && !found {
		err = ErrTickNotFound
	}
	if err != nil {
		return Tick{}, 0, fmt.Errorf("queue %s, last tick: %w", r.queue, err)
	}
	return t, uint32(*writer), nil
}

// Next returns the tick that closes the batch after prev, and false while
// there is none. The batch has at most maxEvents events by the event
// sequence's count, but at least one tick; maxEvents <= 0 means exactly one
// tick. It never goes past a [Barrier]. A prev that the queue no longer has is [ErrTickNotFound]: then events
// after it may be gone too.
func (r *Reader) Next(ctx context.Context, prev Tick, maxEvents int64) (Tick, bool, error) {
	return r.NextUpTo(ctx, prev, maxEvents, noLimit)
}

// NextUpTo is [Reader.Next] that never goes past the tick limit.
func (r *Reader) NextUpTo(ctx context.Context, prev Tick, maxEvents int64, limit TickID) (Tick, bool, error) {
	find, err := r.bars.statements(ctx, r.conn)
	if err != nil {
		return Tick{}, false, fmt.Errorf("queue %s, after tick %d: %w", r.queue, prev.ID, err)
	}
	var row pgx.Row
	if maxEvents <= 0 {
		row = r.conn.QueryRow(ctx, find.first, r.queue, int64(prev.ID), int64(limit))
	} else {
		row = r.conn.QueryRow(ctx, find.next, r.queue, int64(prev.ID), int64(prev.EventSeq)+maxEvents,
			int64(limit), mergeTicks, settledAge)
	}
	var prevFound bool
	t, found, err := r.one(row, &prevFound)
	if err == nil && !prevFound {
		err = ErrTickNotFound
	}
	if err == nil && found && !t.Snapshot.Covers(prev.Snapshot) {
		err = fmt.Errorf("tick %d does not see all that it saw: %s, %s", t.ID, prev.Snapshot, t.Snapshot)
	}
	if err != nil {
		return Tick{}, false, fmt.Errorf("queue %s, after tick %d: %w", r.queue, prev.ID, err)
	}
	return t, found, nil
}

// one scans a row of tickColumns and what else it has. It keeps r.tables in
// step with the queue.
func (r *Reader) one(row pgx.Row, more ...any) (Tick, bool, error) {
	var (
		ntables int
		prefix  string
		id, seq *int64
		at      *time.Time

		snap, kind, consumer *string
	)
	dest := append([]any{&ntables, &prefix, &id, &at, &snap, &seq, &kind, &consumer}, more...)
	if err := row.Scan(dest...); errors.Is(err, pgx.ErrNoRows) {
		return Tick{}, false, ErrQueueNotFound
	} else if err != nil {
		return Tick{}, false, err
	}
	if err := r.setTables(prefix, ntables); err != nil {
		return Tick{}, false, err
	}
	if id == nil {
		return Tick{}, false, nil
	}
	t := Tick{ID: TickID(*id)}
	if at != nil {
		t.Time = *at
	}
	if seq != nil {
		t.EventSeq = EventID(*seq)
	}
	if kind != nil {
		t.Barrier.Kind = *kind
	}
	if consumer != nil {
		t.Barrier.Consumer = *consumer
	}
	if snap == nil {
		return Tick{}, false, fmt.Errorf("tick %d has no snapshot", *id)
	}
	var err error
	t.Snapshot, err = ParseSnapshot(*snap)
	return t, true, err
}

func (r *Reader) setTables(prefix string, n int) error {
	if prefix == r.prefix && n == len(r.tables) {
		return nil
	}
	tables := make([]string, n)
	for i := range tables {
		name, err := ident.Parse(prefix + "_" + strconv.Itoa(i))
		if err != nil {
			return fmt.Errorf("event table: %w", err)
		}
		tables[i] = name.SQL()
	}
	r.prefix, r.tables = prefix, tables
	return nil
}
