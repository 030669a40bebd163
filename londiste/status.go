package londiste

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Status is all there is to know about one subscription, with many faces:
// text, JSON, later metrics and pages. A side that cannot be reached leaves
// its parts empty and says so in its node.
type Status struct {
	Program    string           `json:"program_version"` // set by the program
	Job        string           `json:"job_name"`
	Queue      string           `json:"queue_name"`
	Consumer   string           `json:"consumer_name"`
	Provider   NodeStatus       `json:"provider"`
	Subscriber NodeStatus       `json:"subscriber"`
	Events     *QueueStatus     `json:"queue"` // nil where the provider does not answer
	Position   *int64           `json:"position"`
	Readers    []ReaderStatus   `json:"consumers"`
	Tables     []TableStatus    `json:"tables"`
	Sequences  []SequenceStatus `json:"sequences"`
	Problems   []Problem        `json:"problems"`
}

// NodeStatus is one side.
type NodeStatus struct {
	Node      string `json:"node"`
	Type      string `json:"type"`
	Location  string `json:"location"` // without password
	Reachable bool   `json:"reachable"`
	Installed bool   `json:"installed"`
	Error     string `json:"error,omitempty"`
	Server    string `json:"server_version,omitempty"`
	Schema    string `json:"schema_version,omitempty"`
}

// QueueStatus is the provider's queue. Times are seconds.
type QueueStatus struct {
	LastTick     int64   `json:"last_tick"`
	TickAge      float64 `json:"tick_age_seconds"`
	EventsPerSec float64 `json:"events_per_second"`
	NewEvents    int64   `json:"events_since_tick"`
	Tables       int     `json:"event_tables"`
	Rotation     float64 `json:"rotation_period_seconds"`
	RotatedAge   float64 `json:"rotated_seconds_ago"`
	Paused       bool    `json:"ticker_paused"`
}

// ReaderStatus is one consumer of the queue: this subscriber, its copies,
// other subscribers, programs of other makes.
type ReaderStatus struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`               // this, copy or other
	Database string  `json:"database,omitempty"` // whose it is, where claimed
	Lag      float64 `json:"lag_seconds"`
	Seen     float64 `json:"last_seen_seconds"`
	Pending  int64   `json:"pending_events"` // an estimate from the event sequence
	LastTick int64   `json:"last_tick"`
}

// TableStatus is one table of the set.
type TableStatus struct {
	Name     string        `json:"name"`
	Provider bool          `json:"at_provider"` // registered there
	Here     bool          `json:"at_subscriber"`
	State    string        `json:"state"`              // merge_state, "-" for none
	Capture  string        `json:"capture,omitempty"`  // statement or row
	Drift    string        `json:"drift,omitempty"`    // what changed since the capture was made
	Disabled []string      `json:"disabled_triggers"`  // saved until restore-triggers
	Waiting  int           `json:"pending_ddl"`        // indexes and constraints dropped for the copy
	Counters TableCounters `json:"counters,omitempty"` // of this subscriber
}

// TableCounters says what became of a table's events:
// events = applied + coalesced + filtered + skipped.
type TableCounters struct {
	Events    int64 `json:"events"`
	Applied   int64 `json:"applied"`
	Coalesced int64 `json:"coalesced"`
	Filtered  int64 `json:"filtered"`
	Skipped   int64 `json:"skipped"`
	BySets    int64 `json:"by_sets"`
	Fallbacks int64 `json:"fallbacks"`
	Diverged  int64 `json:"diverged"`
}

// SequenceStatus is one sequence of the set. A value is null where the side
// does not have it or does not let it be read.
type SequenceStatus struct {
	Name       string `json:"name"`
	Provider   *int64 `json:"provider_value"`
	Subscriber *int64 `json:"subscriber_value"`
	Here       bool   `json:"at_subscriber"`
}

// Problem is something that wants doing, and what to do.
type Problem struct {
	Text string `json:"text"`
	Mend string `json:"mend,omitempty"`
}

// ReadStatus asks both sides. A side that does not answer is a problem in the
// result, not an error.
func (b *Subscriber) ReadStatus(ctx context.Context) *Status {
	st := &Status{
		Job: b.Job, Queue: b.Queue, Consumer: b.ConsumerName(),
		Provider:   NodeStatus{Node: RootNode, Type: "root", Location: location(b.Pair.Provider)},
		Subscriber: NodeStatus{Node: b.Job, Type: "leaf", Location: location(b.Pair.Subscriber)},
		Readers:    []ReaderStatus{}, Tables: []TableStatus{}, Sequences: []SequenceStatus{}, Problems: []Problem{},
	}
	b.readSide(ctx, st, &st.Provider, "provider", (*session).providerStatus)
	b.readSide(ctx, st, &st.Subscriber, "subscriber", (*session).subscriberStatus)
	st.judge()
	return st
}

// Reachable tells whether both sides answered.
func (st *Status) Reachable() bool { return st.Provider.Reachable && st.Subscriber.Reachable }

func (st *Status) problem(mend, format string, args ...any) {
	st.Problems = append(st.Problems, Problem{fmt.Sprintf(format, args...), mend})
}

func (b *Subscriber) readSide(ctx context.Context, st *Status, node *NodeStatus, side string, read func(*session, context.Context, *Status) error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	s, err := b.session(ctx, side, false)
	if err != nil {
		node.Error = err.Error()
		st.problem(hint.Of(err), "%s", err)
		return
	}
	defer s.close()
	node.Reachable = true
	if err = s.nodeStatus(ctx, node); err == nil && node.Installed {
		err = read(s, ctx, st)
	}
	switch {
	case err != nil:
		node.Error = err.Error()
		st.problem(hint.Of(err), "%s: %s", side, err)
	case !node.Installed:
		st.problem("londiste INI "+side+" install", "queue %s is not installed at the %s", st.Queue, side)
	}
}

func (s *session) nodeStatus(ctx context.Context, node *NodeStatus) error {
	node.Server = s.conn.PgConn().ParameterStatus("server_version")
	there, err := one[bool](ctx, s.conn, "select to_regclass('pgq_node.node_info') is not null and to_regclass('skytools.capture') is not null")
	if err != nil || !there {
		return err
	}
	if node.Schema, err = one[string](ctx, s.conn, "select skytools.version()::text"); err != nil {
		return err
	}
	err = s.conn.QueryRow(ctx, "select node_name, node_type from pgq_node.node_info where queue_name = $1", s.queue).
		Scan(&node.Node, &node.Type)
	if err == pgx.ErrNoRows {
		return nil
	}
	node.Installed = err == nil
	return err
}

func (s *session) providerStatus(ctx context.Context, st *Status) error {
	var q QueueStatus
	err := s.conn.QueryRow(ctx, `
		select coalesce(last_tick_id, 0), coalesce(extract(epoch from ticker_lag), 0)::float8,
		    coalesce(ev_per_sec, 0)::float8, coalesce(ev_new, 0), queue_ntables,
		    coalesce(extract(epoch from queue_rotation_period), 0)::float8,
		    extract(epoch from clock_timestamp() - queue_switch_time)::float8, queue_ticker_paused
		from pgq.get_queue_info($1)`, s.queue).
		Scan(&q.LastTick, &q.TickAge, &q.EventsPerSec, &q.NewEvents, &q.Tables, &q.Rotation, &q.RotatedAge, &q.Paused)
	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	st.Events = &q
	if st.Readers, err = s.readers(ctx, st.Consumer); err != nil {
		return fmt.Errorf("read consumers: %w", err)
	}
	list, err := tables(ctx, s.conn, s.queue)
	if err != nil {
		return err
	}
	for _, t := range list {
		st.Tables = append(st.Tables, TableStatus{Name: t.Name.String(), Provider: t.Local, State: "-", Disabled: []string{}})
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
		    coalesce(extract(epoch from i.lag), 0)::float8, coalesce(extract(epoch from i.last_seen), 0)::float8,
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

// table finds a table's entry or adds it.
func (st *Status) table(name string) *TableStatus {
	i := slices.IndexFunc(st.Tables, func(t TableStatus) bool { return t.Name == name })
	if i < 0 {
		i = len(st.Tables)
		st.Tables = append(st.Tables, TableStatus{Name: name, State: "-", Disabled: []string{}})
	}
	return &st.Tables[i]
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

func (s *session) subscriberStatus(ctx context.Context, st *Status) error {
	list, err := s.localTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		row := st.table(t.Name.String())
		row.Here, row.State = true, t.State.String()
	}
	if st.Position, err = s.position(ctx, st.Consumer); err != nil {
		return err
	}
	if err := s.tableDetails(ctx, st); err != nil {
		return err
	}
	values, err := s.sequenceValues(ctx)
	if err != nil {
		return err
	}
	for _, v := range values {
		i := slices.IndexFunc(st.Sequences, func(q SequenceStatus) bool { return q.Name == v.name.String() })
		if i < 0 {
			i = len(st.Sequences)
			st.Sequences = append(st.Sequences, SequenceStatus{Name: v.name.String()})
		}
		st.Sequences[i].Here, st.Sequences[i].Subscriber = true, v.value
	}
	return s.errorStatus(ctx, st)
}

func (s *session) tableDetails(ctx context.Context, st *Status) error {
	rows, err := s.conn.Query(ctx, `
		select table_name, events, applied, coalesced, filtered, skipped, by_sets, fallbacks, diverged
		from skytools.table_counter where queue_name = $1 and consumer_name = $2`, s.queue, st.Consumer)
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	var name string
	var c TableCounters
	fields := []any{&name, &c.Events, &c.Applied, &c.Coalesced, &c.Filtered, &c.Skipped, &c.BySets, &c.Fallbacks, &c.Diverged}
	if _, err := pgx.ForEachRow(rows, fields, func() error {
		st.table(name).Counters = c
		return nil
	}); err != nil {
		return err
	}
	rows, err = s.conn.Query(ctx, `
		select table_name, kind, object_name from skytools.pending_ddl
		where queue_name = $1 order by pending_id`, s.queue)
	if err != nil {
		return fmt.Errorf("read pending objects: %w", err)
	}
	var kind, object string
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &object}, func() error {
		t := st.table(name)
		if kind == "trigger" {
			t.Disabled = append(t.Disabled, object)
		} else {
			t.Waiting++
		}
		return nil
	})
	return err
}

// errorStatus reports what the worker and its copies wrote down last.
func (s *session) errorStatus(ctx context.Context, st *Status) error {
	rows, err := s.conn.Query(ctx, `
		select consumer_name, cur_error from pgq_node.local_state
		where queue_name = $1 and cur_error is not null
		order by consumer_name`, s.queue)
	if err != nil {
		return fmt.Errorf("read errors: %w", err)
	}
	var consumer, text string
	_, err = pgx.ForEachRow(rows, []any{&consumer, &text}, func() error {
		mend := "londiste INI subscriber check; mend what it names, replay tries again by itself"
		if table, ok := strings.CutPrefix(consumer, st.Consumer+".copy."); ok {
			mend = "mend the cause, the copy tries again by itself; londiste INI subscriber resync " + table + " starts it anew"
		}
		st.problem(mend, "%s: %s", consumer, text)
		return nil
	})
	return err
}
