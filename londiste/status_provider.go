package londiste

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

func (s *session) providerStatus(ctx context.Context, st *Status) error {
	var err error
	if st.clock, err = set.One[time.Time](ctx, s.conn, "select clock_timestamp()"); err != nil {
		return err
	}
	q, err := pgq.ReadQueue(ctx, s.conn, s.queue)
	if err != nil {
		return err
	}
	st.Events = &QueueStatus{
		LastTick: int64(q.LastTick), TickAge: q.TickerLag.Seconds(), Late: q.Late(), EventsPerSec: q.EventsPerSec, NewEvents: q.NewEvents,
		Tables: q.Tables, Size: q.Size, Rotation: q.RotationPeriod.Seconds(), RotatedAge: q.RotatedAgo.Seconds(),
		Paused: q.TickerPaused, Kept: q.EventsKept,
	}
	if st.Events.Oldest, err = pgq.OldestTransaction(ctx, s.conn); err != nil {
		return err
	}
	budgets, err := pgq.Budgets(ctx, s.conn)
	if err != nil {
		return err
	}
	for _, b := range budgets {
		if b.Queue == s.queue {
			st.Events.Budget = &b.Bytes
		}
	}
	if st.Readers, err = s.readers(ctx, st.Consumer); err != nil {
		return fmt.Errorf("read consumers: %w", err)
	}
	for i := range st.Readers {
		st.Readers[i].Bytes = q.Share(st.Readers[i].Pending)
	}
	list, err := set.Tables(ctx, s.conn, s.queue)
	if err != nil {
		return err
	}
	for _, t := range list {
		st.table(t.Name.String()).Provider = t.Local
	}
	if err := s.captureStatus(ctx, st); err != nil {
		return err
	}
	values, err := s.sequenceValues(ctx)
	for _, v := range values {
		st.Sequences = append(st.Sequences, SequenceStatus{Name: v.name.String(), Provider: v.value})
	}
	return err
}

func (s *session) readers(ctx context.Context, own string) ([]ReaderStatus, error) {
	rows, err := s.conn.Query(ctx, `
		select i.consumer_name,
		    case when i.consumer_name = $2 then 'this'
		        when starts_with(i.consumer_name, $2 || '.copy.') then 'copy' else 'other' end,
		    coalesce(c.database_name || ', node ' || c.node_name, ''),
		    coalesce(greatest(extract(epoch from i.lag), 0), 0)::float8, coalesce(greatest(extract(epoch from i.last_seen), 0), 0)::float8,
		    coalesce(i.pending_events, 0), coalesce(i.last_tick, 0)
		from pgq.get_consumer_info($1) i
		left join skytools.claim c on c.queue_name = i.queue_name and c.consumer_name = i.consumer_name
		where not starts_with(i.consumer_name, '.')
		order by 2 desc, 1`, s.queue, own)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ReaderStatus, error) {
		var r ReaderStatus
		err := row.Scan(&r.Name, &r.Kind, &r.Database, &r.Lag, &r.Seen, &r.Pending, &r.LastTick)
		return r, err
	})
}

// captureStatus adds how tables are captured and whether that still fits.
func (s *session) captureStatus(ctx context.Context, st *Status) error {
	drifts, err := s.drifts(ctx)
	if err != nil {
		return err
	}
	rows, err := s.conn.Query(ctx, "select table_schema, table_name, mode from skytools.capture where queue_name = $1", s.queue)
	if err != nil {
		return fmt.Errorf("read capture: %w", err)
	}
	var n ident.Name
	var mode string
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &mode}, func() error {
		t := st.table(n.String())
		t.Capture, t.Drift = mode, drifts[n]
		return nil
	})
	return err
}

type sequenceValue struct {
	name  ident.Name
	value *int64
}

// sequenceValues are the registered sequences and where they stand.
func (s *session) sequenceValues(ctx context.Context) ([]sequenceValue, error) {
	names, err := s.registeredSeqs(ctx)
	if err != nil {
		return nil, err
	}
	schemas, rels := split(names)
	rows, err := s.conn.Query(ctx, `
		select w.s, w.r, p.last_value
		from unnest($1::text[], $2::text[]) with ordinality as w (s, r, nr)
		left join pg_sequences p on p.schemaname = w.s and p.sequencename = w.r
		order by w.nr`, schemas, rels)
	if err != nil {
		return nil, fmt.Errorf("read sequences: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (sequenceValue, error) {
		var v sequenceValue
		err := row.Scan(&v.name.Schema, &v.name.Name, &v.value)
		return v, err
	})
}
