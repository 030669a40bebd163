package pgq

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is where a statement is sent: a [pgx.Tx], a [*pgx.Conn] or pgxpool's
// Pool, Conn and Tx.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Producer writes events into one queue, in transactions of its caller: an
// event is there for consumers when its transaction commits, and never if it
// rolls back. Over a connection or a pool instead of a transaction each call
// is a transaction of its own.
//
// The caller's connection may go through pgbouncer in any mode; a producer
// keeps nothing in the session. Many goroutines may share one, and should: each
// producer begins by asking which functions its role may call, those of PgQ or,
// where skytools.grant_queue gave it this queue alone, those of the queue.
type Producer struct {
	Queue string
	// Trace, where it is set, tells the trace context that ctx carries, such as
	// the value of a W3C traceparent header. It travels in ev_extra4 of events
	// that have none; [Consumer.Trace] takes it up. "" sends none.
	Trace func(ctx context.Context) string

	calls atomic.Pointer[calls]
}

const (
	insertOne = `select pgq.insert_event($1, $2, $3, $4, $5, $6, $7)`

	insertMany = `select skytools.insert_events($1, $2, $3, $4, $5, $6, $7)`

	// Over the extension: its function, once for each row in the arrays' order.
	insertEach = `select coalesce(array_agg(id order by nr), '{}') from (
			select pgq.insert_event($1, t, d, e1, e2, e3, e4) as id, nr
			from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
				with ordinality as e (t, d, e1, e2, e3, e4, nr)
			order by nr
		) e`
)

// Insert writes one event and returns its id. Of ev the type, the data and the
// extra fields count.
func (p *Producer) Insert(ctx context.Context, tx DB, ev Event) (EventID, error) {
	var id EventID
	err := p.write(ctx, tx, func(c calls) error {
		return tx.QueryRow(ctx, c.sql(insertOne), p.Queue, ev.Type, text(ev.Data),
			text(ev.Extra1), text(ev.Extra2), text(ev.Extra3), text(p.extra4(ctx, ev))).Scan(&id)
	})
	return id, err
}

// InsertMany writes events by one statement, which for a thousand of them
// costs a fraction of as many inserts, and returns their ids, in the order of
// events. All are written or none. They are sent as one message, which has to
// stay below 1 GB; [Producer.InsertSeq] has no such limit.
func (p *Producer) InsertMany(ctx context.Context, tx DB, events []Event) ([]EventID, error) {
	if len(events) == 0 {
		return nil, nil
	}
	fields := columns(events, p.extra4Of(ctx))
	var ids []EventID
	err := p.write(ctx, tx, func(c calls) error {
		sql := insertEach
		if c.ours {
			sql = c.sql(insertMany)
		}
		return tx.QueryRow(ctx, sql, p.Queue, fields.types, fields.data,
			fields.extra[0], fields.extra[1], fields.extra[2], fields.extra[3]).Scan(&ids)
	})
	return ids, err
}

// A statement of InsertSeq has at most so many events, or bytes and an event.
const (
	manyEvents = 5000
	manyBytes  = 4 << 20
)

// InsertSeq writes events as they come, some thousands by each statement, and
// returns their number. It holds no more than those in memory. It takes a
// transaction, because what was written before an error must go with it.
func (p *Producer) InsertSeq(ctx context.Context, tx pgx.Tx, events iter.Seq[Event]) (int64, error) {
	var written int64
	var pending []Event
	size := 0
	flush := func() error {
		ids, err := p.InsertMany(ctx, tx, pending)
		written += int64(len(ids))
		pending, size = pending[:0], 0
		return err
	}
	for ev := range events {
		pending = append(pending, ev)
		size += len(ev.Type) + len(ev.Data) + len(ev.Extra1) + len(ev.Extra2) + len(ev.Extra3) + len(ev.Extra4)
		if len(pending) >= manyEvents || size >= manyBytes {
			if err := flush(); err != nil {
				return written, err
			}
		}
	}
	return written, flush()
}

// write has insert write by what its role may call, which is found out once. An
// error would cost the caller's transaction, so it is not tried out.
func (p *Producer) write(ctx context.Context, tx DB, insert func(calls) error) error {
	c := p.calls.Load()
	if c == nil {
		found, has, err := mayWrite.callsOn(ctx, tx, p.Queue)
		if err != nil {
			return fmt.Errorf("insert into queue %s: %w", p.Queue, known(err))
		}
		if c = &found; has {
			p.calls.Store(c)
		}
	}
	if err := insert(*c); err != nil {
		if stale(err) {
			p.calls.Store(nil)
		}
		return fmt.Errorf("insert into queue %s: %w", p.Queue, known(err))
	}
	return nil
}

func (p *Producer) extra4(ctx context.Context, ev Event) []byte { return p.extra4Of(ctx)(ev) }

// extra4Of asks for the trace context once.
func (p *Producer) extra4Of(ctx context.Context) func(Event) []byte {
	var trace []byte
	if p.Trace != nil {
		if s := p.Trace(ctx); s != "" {
			trace = []byte(s)
		}
	}
	return func(ev Event) []byte {
		if ev.Extra4 == nil {
			return trace
		}
		return ev.Extra4
	}
}

// text is what pgx sends as text in every mode; it takes bytes for a bytea
// where the server has not said what it wants.
func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// eventFields are events turned into one array for each field. An extra field
// that no event has is a nil one.
type eventFields struct {
	types []string
	data  []*string
	extra [4][]*string
}

func columns(events []Event, extra4 func(Event) []byte) eventFields {
	f := eventFields{types: make([]string, len(events)), data: make([]*string, len(events))}
	for i, ev := range events {
		f.types[i], f.data[i] = ev.Type, text(ev.Data)
		for j, extra := range [4][]byte{ev.Extra1, ev.Extra2, ev.Extra3, extra4(ev)} {
			if extra == nil {
				continue
			}
			if f.extra[j] == nil {
				f.extra[j] = make([]*string, len(events))
			}
			f.extra[j][i] = text(extra)
		}
	}
	return f
}
