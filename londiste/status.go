package londiste

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// Status is all there is to know about one subscription, with many faces:
// text, JSON, later metrics and pages. A side that cannot be reached leaves
// its parts empty and says so in its node.
type Status struct {
	Program    string       `json:"program_version"` // set by the program
	Job        string       `json:"job_name"`
	Queue      string       `json:"queue_name"`
	Consumer   string       `json:"consumer_name"`
	Provider   NodeStatus   `json:"provider"`
	Subscriber NodeStatus   `json:"subscriber"`
	Events     *QueueStatus `json:"queue"` // nil where the provider does not answer
	Position   *int64       `json:"position"`
	// Lag is how far the subscriber's rows are behind: 0 where everything is
	// applied, nil where it cannot be told.
	Lag *float64 `json:"lag_seconds"`
	// LagEvents and LagBytes estimate what is still to be read, by the event
	// sequence; nil where the provider does not answer or has no such consumer.
	LagEvents *int64           `json:"lag_events"`
	LagBytes  *int64           `json:"lag_bytes"`
	Worker    *WorkerStatus    `json:"worker"` // nil where none has ever run
	Readers   []ReaderStatus   `json:"consumers"`
	Tables    []TableStatus    `json:"tables"`
	States    map[string]int   `json:"tables_by_state"` // how many, by the words of [Status.ByState]
	Sequences []SequenceStatus `json:"sequences"`
	Fkeys     []ForeignKey     `json:"pending_fkeys"` // dropped for a copy
	Ahead     bool             `json:"rows_ahead"`    // attached rows may be newer than the position
	// Consistent: both sides answered, and every table here is as the provider's
	// was at the position.
	Consistent bool      `json:"consistent"`
	Problems   []Problem `json:"problems"`

	places  map[string]int // of tables in Tables
	clock   time.Time      // the provider's
	applied time.Time      // of the tick at the position, by the same clock
}

// WorkerStatus is the process that replicates, or did last.
type WorkerStatus struct {
	Running bool      `json:"running"`
	Holder  string    `json:"holder"`
	Since   time.Time `json:"since"`
	Error   string    `json:"error,omitempty"` // of the batch that it cannot apply
}

// NodeStatus is one side.
type NodeStatus struct {
	Node      string `json:"node"`
	Type      string `json:"type"`
	Location  string `json:"location"` // without password
	Database  string `json:"database"`
	Reachable bool   `json:"reachable"`
	Installed bool   `json:"installed"`
	Error     string `json:"error,omitempty"`
	Server    string `json:"server_version,omitempty"`
	Schema    string `json:"schema_version,omitempty"`
}

// QueueStatus is the provider's queue. Times are seconds.
type QueueStatus struct {
	LastTick     int64            `json:"last_tick"`
	TickAge      float64          `json:"tick_age_seconds"`
	Late         bool             `json:"late"` // it should have been ticked
	EventsPerSec float64          `json:"events_per_second"`
	NewEvents    int64            `json:"events_since_tick"`
	Tables       int              `json:"event_tables"`
	Size         int64            `json:"size_bytes"`
	Budget       *int64           `json:"budget_bytes"` // at which a consumer is detached; nil: none is
	Rotation     float64          `json:"rotation_period_seconds"`
	RotatedAge   float64          `json:"rotated_seconds_ago"`
	Paused       bool             `json:"ticker_paused"`
	Kept         int64            `json:"events_kept"`        // from its oldest tick to its newest
	Oldest       *pgq.Transaction `json:"oldest_transaction"` // of the server; nil: none is running
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
	Bytes    int64   `json:"pending_bytes"`  // their share of the event tables
	LastTick int64   `json:"last_tick"`
}

// Behind is its lag in seconds; 0 where it has read all there is, however old the
// last tick is.
func (r ReaderStatus) Behind() float64 {
	if r.Pending == 0 {
		return 0
	}
	return r.Lag
}

// TableStatus is one table of the set.
type TableStatus struct {
	Name     string            `json:"name"`
	Provider bool              `json:"at_provider"` // registered there
	Here     bool              `json:"at_subscriber"`
	State    string            `json:"state"`              // merge_state, "-" for none; parked, given-up, resyncing
	Capture  string            `json:"capture,omitempty"`  // statement or row
	Drift    string            `json:"drift,omitempty"`    // what changed since the capture was made
	Disabled []string          `json:"disabled_triggers"`  // saved until restore-triggers
	Waiting  int               `json:"pending_ddl"`        // indexes and constraints dropped for the copy
	Counters TableCounters     `json:"counters,omitempty"` // of this subscriber
	Parked   *set.ParkedTable  `json:"parked"`             // why the worker leaves it aside; null: it does not
	Resync   *set.PartResync   `json:"resync"`             // the part that is being copied anew; null: none is
	Passed   int64             `json:"passed_over_events"` // by subscriber skip, since its last copy
	Copy     *set.CopyProgress `json:"copy"`               // under way, or the last one; nil: none was made

	Verified  *time.Time `json:"verified_equal_at"` // when a comparison found it equal last; nil: never
	Different *time.Time `json:"different_since"`   // the first comparison since then that did not; nil: none
	Extra     int64      `json:"extra_rows"`        // that the last comparison found; where it is equal, of another queue
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

// Kind is what a problem is about.
type Kind string

// The kinds of problems.
const (
	Unreached    Kind = "connection" // a side does not answer, or not as it should
	Node         Kind = "node"       // a side is not installed
	Ticker       Kind = "ticker"
	Replay       Kind = "replay"       // the worker does not run
	Failing      Kind = "error"        // what the worker or a copy met last
	Drift        Kind = "drift"        // of a table from its capture
	Parked       Kind = "parked"       // a table is left aside
	PassedOver   Kind = "passed over"  // events of a table, by subscriber skip
	Triggers     Kind = "triggers"     // disabled while a table is replicated
	Unregistered Kind = "unregistered" // a table at the provider
	Diverged     Kind = "diverged"     // rows were not as expected
	Different    Kind = "different"    // the last comparison found a table so
)

// Problem is something that wants doing, and what to do.
type Problem struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
	Mend string `json:"mend,omitempty"`
}

// ReadStatus asks both sides. A side that does not answer is a problem in the
// result, not an error.
func (b *Subscriber) ReadStatus(ctx context.Context) *Status {
	st := &Status{
		Job: b.Job, Queue: b.Queue, Consumer: b.ConsumerName(),
		Provider:   NodeStatus{Node: set.RootNode, Type: "root", Location: location(b.Pair.Provider), Database: b.Pair.Provider.Database},
		Subscriber: NodeStatus{Node: b.Job, Type: "leaf", Location: location(b.Pair.Subscriber), Database: b.Pair.Subscriber.Database},
		Readers:    []ReaderStatus{}, Tables: []TableStatus{}, Sequences: []SequenceStatus{},
		States: map[string]int{}, Fkeys: []ForeignKey{}, Problems: []Problem{},
	}
	b.readSide(ctx, st, &st.Provider, "provider", (*session).providerStatus)
	b.readSide(ctx, st, &st.Subscriber, "subscriber", (*session).subscriberStatus)
	st.measure()
	st.judge()
	for _, g := range st.ByState() {
		st.States[g.State] = len(g.Tables)
	}
	st.Consistent = st.Reachable() && !st.Ahead && !slices.ContainsFunc(st.Tables, func(t TableStatus) bool {
		return t.Here && (t.State != set.PhaseNames[set.OK] || t.Passed > 0)
	})
	return st
}

// Reachable tells whether both sides answered.
func (st *Status) Reachable() bool { return st.Provider.Reachable && st.Subscriber.Reachable }

// Parked tells whether the worker leaves a table aside because it could not
// be applied.
func (st *Status) Parked() bool {
	return slices.ContainsFunc(st.Tables, func(t TableStatus) bool { return t.Parked != nil })
}

func (st *Status) problem(kind Kind, mend, format string, args ...any) {
	st.Problems = append(st.Problems, Problem{kind, fmt.Sprintf(format, args...), mend})
}

func (b *Subscriber) readSide(ctx context.Context, st *Status, node *NodeStatus, side string, read func(*session, context.Context, *Status) error) {
	limit := 15 * time.Second
	if end, ok := ctx.Deadline(); ok && side == "provider" {
		limit = min(limit, time.Until(end)/2) // one that hangs leaves the other its half
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := openSession(ctx, &b.Pair, side, false)
	if err != nil {
		node.Error = err.Error()
		st.problem(Unreached, hint.Of(err), "%s", err)
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
		st.problem(Unreached, hint.Of(err), "%s: %s", side, err)
	case !node.Installed:
		st.problem(Node, "londiste INI "+side+" install", "queue %s is not installed at the %s", st.Queue, side)
	}
}

func (s *session) nodeStatus(ctx context.Context, node *NodeStatus) error {
	node.Server = s.conn.PgConn().ParameterStatus("server_version")
	there, err := set.One[bool](ctx, s.conn, "select to_regclass('pgq_node.node_info') is not null and to_regclass('skytools.capture') is not null")
	if err != nil || !there {
		return err
	}
	if node.Schema, err = set.One[string](ctx, s.conn, "select skytools.version()::text"); err != nil {
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

// measure puts the two sides' clocks and positions together.
func (st *Status) measure() {
	q := st.Events
	for _, r := range st.Readers {
		if r.Kind == "this" {
			st.LagEvents, st.LagBytes = &r.Pending, &r.Bytes
		}
	}
	if q == nil || st.Position == nil {
		return
	}
	var lag float64
	switch {
	case *st.Position < q.LastTick && st.applied.IsZero():
		return
	case *st.Position < q.LastTick:
		lag = max(st.clock.Sub(st.applied).Seconds(), 0)
	case q.NewEvents > 0:
		lag = q.TickAge
	}
	st.Lag = &lag
}

// table finds a table's entry or adds it. The entry stays where it is until
// another is added.
func (st *Status) table(name string) *TableStatus {
	i, found := st.places[name]
	if !found {
		if st.places == nil {
			st.places = map[string]int{}
		}
		i = len(st.Tables)
		st.places[name] = i
		st.Tables = append(st.Tables, TableStatus{Name: name, State: "-", Disabled: []string{}})
	}
	return &st.Tables[i]
}
