package londiste

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// QueueEnd is what one look at a provider tells of its queue's end.
type QueueEnd struct {
	QueueID  int32
	Tick     pgq.Tick     // the last one
	EventSeq pgq.EventID  // the last number given, read after the snapshot
	Snapshot pgq.Snapshot // it sees all that was committed before the look began
	Clock    time.Time    // the provider's
	Ticking  bool         // the last tick is no older than the ticker lets it become
	Server   string       // system identifier
	Started  time.Time    // when this server was
	Database uint32       // the database's oid
}

// tickerPatience is how long after a queue's idle period its next tick may come
// before its ticker is taken for dead.
const tickerPatience = 5 * time.Second

const tickColumns = `t.tick_id, t.tick_time, t.tick_snapshot::text, t.tick_event_seq`

// The snapshot is the statement's own, and older than whatever a function in it
// reads.
const queueEndSQL = `
	select q.queue_id, txid_current_snapshot()::text, pgq.seq_getval(q.queue_event_seq), clock_timestamp(),
	    not q.queue_ticker_paused
	        and t.tick_time + q.queue_ticker_idle_period + $2::float8 * interval '1 second' > clock_timestamp(),
	    c.system_identifier::text, pg_postmaster_start_time(), d.oid::bigint, pg_is_in_recovery(), ` + tickColumns + `
	from pgq.queue q, pg_control_system() c, pg_database d, lateral (
	    select * from pgq.tick where tick_queue = q.queue_id order by tick_queue desc, tick_id desc limit 1) t
	where q.queue_name = $1 and d.datname = current_database()`

// ReadQueueEnd looks at the end of a queue. Any role may that can connect.
func ReadQueueEnd(ctx context.Context, conn *pgx.Conn, queue string) (QueueEnd, error) {
	var (
		e        QueueEnd
		seq, oid int64
		snapshot string
		standby  bool
		tick     tickScan
	)
	err := conn.QueryRow(ctx, queueEndSQL, queue, tickerPatience.Seconds()).Scan(append([]any{
		&e.QueueID, &snapshot, &seq, &e.Clock, &e.Ticking, &e.Server, &e.Started, &oid, &standby,
	}, tick.fields()...)...)
	switch state := set.SQLState(err); {
	case errors.Is(err, pgx.ErrNoRows), state == "42P01", state == "3F000":
		return e, hint.With(fmt.Errorf("queue %s is not at the provider, or has no tick", queue), "run: londiste INI provider install")
	case err != nil:
		return e, fmt.Errorf("provider: read the end of queue %s: %w", queue, err)
	case standby:
		return e, hint.With(errors.New("provider: the server is a standby"), "the queue is looked at where it is written: name the primary")
	}
	e.EventSeq, e.Database = pgq.EventID(seq), uint32(oid)
	if e.Tick, err = tick.tick(); err == nil {
		e.Snapshot, err = pgq.ParseSnapshot(snapshot)
	}
	return e, err
}

// InTick tells whether a tick has every event that was committed before the look
// at the queue's end began.
//
// Either the tick's snapshot covers the look's. Or nothing was written into the
// queue between them: an event that the look sees and the tick does not was
// numbered before the look read the sequence, hence, where that has not moved,
// before the tick did. Its transaction had written its row before the event, so
// it had its id, and was open when the tick took its snapshot.
func (e *QueueEnd) InTick(t *pgq.Tick) bool {
	if t.Snapshot.Covers(e.Snapshot) {
		return true
	}
	if t.EventSeq != e.EventSeq {
		return false
	}
	for _, id := range t.Snapshot.Active {
		if e.Snapshot.Sees(id) {
			return false
		}
	}
	return true
}

// Ticks reads the ticks after one, and those named; at most a thousand, the
// oldest first. One that is gone is left out.
func (e *QueueEnd) Ticks(ctx context.Context, conn *pgx.Conn, after pgq.TickID, named []pgq.TickID) ([]pgq.Tick, error) {
	ids := make([]int64, len(named))
	for i, id := range named {
		ids[i] = int64(id)
	}
	rows, err := conn.Query(ctx, `
		select `+tickColumns+` from pgq.tick t
		where t.tick_queue = $1 and (t.tick_id > $2 or t.tick_id = any($3))
		order by t.tick_id limit 1000`, e.QueueID, int64(after), ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (pgq.Tick, error) {
		var s tickScan
		if err := row.Scan(s.fields()...); err != nil {
			return pgq.Tick{}, err
		}
		return s.tick()
	})
}

// tickScan takes a row of tickColumns in.
type tickScan struct {
	id, seq  int64
	time     time.Time
	snapshot string
}

func (s *tickScan) fields() []any { return []any{&s.id, &s.time, &s.snapshot, &s.seq} }

func (s *tickScan) tick() (pgq.Tick, error) {
	snapshot, err := pgq.ParseSnapshot(s.snapshot)
	return pgq.Tick{ID: pgq.TickID(s.id), Time: s.time, Snapshot: snapshot, EventSeq: pgq.EventID(s.seq)}, err
}
