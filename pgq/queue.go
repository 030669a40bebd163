package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
)

// Queue is a queue as it stands, its settings included.
type Queue struct {
	Name           string         `json:"queue_name"`
	Tables         int            `json:"queue_ntables"`
	CurrentTable   int            `json:"queue_cur_table"`
	RotationPeriod time.Duration  `json:"-"`
	SwitchTime     time.Time      `json:"queue_switch_time"`
	RotatedAgo     time.Duration  `json:"-"` // since SwitchTime, by the server's clock
	ExternalTicker bool           `json:"queue_external_ticker"`
	TickerPaused   bool           `json:"queue_ticker_paused"`
	DisableInsert  bool           `json:"queue_disable_insert"`
	MaxCount       int            `json:"queue_ticker_max_count"`
	MaxLag         time.Duration  `json:"-"`
	IdlePeriod     time.Duration  `json:"-"`
	TickerLag      time.Duration  `json:"-"` // since the last tick
	EventsPerSec   float64        `json:"ev_per_sec"`
	NewEvents      int64          `json:"ev_new"` // since the last tick
	LastTick       TickID         `json:"last_tick_id"`
	Size           int64          `json:"queue_size"`  // bytes of the event tables, indexes included
	EventsKept     int64          `json:"events_kept"` // from its oldest tick to its newest, by the event sequence
	Consumers      []ConsumerInfo `json:"consumers"`
}

const queueSQL = `select i.queue_name, i.queue_ntables, i.queue_cur_table,
		extract(epoch from i.queue_rotation_period)::float8, i.queue_switch_time,
		i.queue_external_ticker, i.queue_ticker_paused, i.queue_ticker_max_count,
		extract(epoch from i.queue_ticker_max_lag)::float8, extract(epoch from i.queue_ticker_idle_period)::float8,
		coalesce(extract(epoch from i.ticker_lag), 0)::float8, coalesce(i.ev_per_sec, 0), coalesce(i.ev_new, 0),
		coalesce(i.last_tick_id, 0), (
			select coalesce(sum(pg_total_relation_size(to_regclass(q.queue_data_pfx || '_' || n::text))), 0)::bigint
			from generate_series(0, q.queue_ntables - 1) n),
		q.queue_disable_insert, extract(epoch from now() - i.queue_switch_time)::float8, coalesce((
			select t.tick_event_seq from pgq.tick t where t.tick_queue = q.queue_id order by t.tick_id desc limit 1) - (
			select t.tick_event_seq from pgq.tick t where t.tick_queue = q.queue_id order by t.tick_id limit 1), 0)
	from pgq.get_queue_info(%s) i join pgq.queue q using (queue_name) order by i.queue_name`

// lateness is how old the last tick may be over the idle period.
const lateness = 30 * time.Second

// Late tells that the queue should have been ticked.
func (q Queue) Late() bool {
	if q.TickerPaused || q.ExternalTicker {
		return false
	}
	return q.TickerLag > q.IdlePeriod+lateness || q.NewEvents > 0 && q.TickerLag > q.MaxLag+lateness/3
}

// Queues lists all queues of a database in name order, with their consumers.
func Queues(ctx context.Context, conn DB) ([]Queue, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(queueSQL, ""))
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	queues, err := pgx.CollectRows(rows, scanQueue)
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	consumers, err := Consumers(ctx, conn)
	if err != nil {
		return nil, err
	}
	for i := range queues {
		for _, c := range consumers {
			if c.Queue == queues[i].Name {
				c.PendingBytes = queues[i].Share(c.PendingEvents)
				queues[i].Consumers = append(queues[i].Consumers, c)
			}
		}
	}
	return queues, nil
}

// ReadQueue reads one queue, without its consumers; [ErrQueueNotFound] if
// there is none.
func ReadQueue(ctx context.Context, conn DB, name string) (Queue, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(queueSQL, "$1"), name)
	if err != nil {
		return Queue{}, fmt.Errorf("read queue %s: %w", name, err)
	}
	q, err := pgx.CollectExactlyOneRow(rows, scanQueue)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrQueueNotFound
	}
	if err != nil {
		return Queue{}, fmt.Errorf("read queue %s: %w", name, err)
	}
	return q, nil
}

func scanQueue(row pgx.CollectableRow) (q Queue, err error) {
	var rotation, maxLag, idle, lag, rotated float64
	err = row.Scan(&q.Name, &q.Tables, &q.CurrentTable, &rotation, &q.SwitchTime,
		&q.ExternalTicker, &q.TickerPaused, &q.MaxCount, &maxLag, &idle,
		&lag, &q.EventsPerSec, &q.NewEvents, &q.LastTick, &q.Size, &q.DisableInsert, &rotated, &q.EventsKept)
	q.RotationPeriod, q.MaxLag, q.IdlePeriod = seconds(rotation), seconds(maxLag), seconds(idle)
	q.TickerLag, q.RotatedAgo = ago(lag), ago(rotated)
	q.Consumers = []ConsumerInfo{}
	return q, err
}

// Share estimates the bytes that so many of the queue's events take in its
// tables: 0 where it has no two ticks to tell, all at most.
func (q Queue) Share(events int64) int64 {
	if q.EventsKept <= 0 || events <= 0 {
		return 0
	}
	return int64(float64(q.Size) * min(float64(events)/float64(q.EventsKept), 1))
}

// Slowest is the consumer that is farthest behind; nil for none.
func (q Queue) Slowest() *ConsumerInfo {
	var slowest *ConsumerInfo
	for i := range q.Consumers {
		if slowest == nil || q.Consumers[i].Lag > slowest.Lag {
			slowest = &q.Consumers[i]
		}
	}
	return slowest
}

// State names what keeps the queue from its ordinary work.
func (q Queue) State() []string {
	var state []string
	for _, s := range []struct {
		is   bool
		text string
	}{
		{q.TickerPaused, "ticker paused"}, {q.ExternalTicker, "ticked from elsewhere"}, {q.DisableInsert, "insert disabled"},
	} {
		if s.is {
			state = append(state, s.text)
		}
	}
	if c := q.Slowest(); c != nil && c.HoldsRotation {
		state = append(state, "rotation waits")
	}
	return state
}

// MarshalJSON adds the durations, in seconds, under PgQ's names.
func (q Queue) MarshalJSON() ([]byte, error) {
	type plain Queue
	return json.Marshal(struct {
		plain
		RotationPeriod float64 `json:"queue_rotation_period"`
		MaxLag         float64 `json:"queue_ticker_max_lag"`
		IdlePeriod     float64 `json:"queue_ticker_idle_period"`
		TickerLag      float64 `json:"ticker_lag"`
	}{plain(q), fine(q.RotationPeriod), fine(q.MaxLag), fine(q.IdlePeriod), fine(q.TickerLag)})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// ago is how long ago something was, by the server's clock. That may have been
// put back since, and a statement's time is that of its transaction: nothing has
// happened in the future.
func ago(s float64) time.Duration { return max(seconds(s), 0) }

// CreateQueue makes a queue and tells whether it was not there yet.
func CreateQueue(ctx context.Context, conn DB, queue string) (bool, error) {
	n, err := change(ctx, conn, `select pgq.create_queue($1)`, queue)
	if err != nil {
		return false, fmt.Errorf("create queue %s: %w", queue, err)
	}
	return n == 1, nil
}

// DropQueue drops a queue and its events. One with consumers is not dropped.
func DropQueue(ctx context.Context, conn DB, queue string) error {
	if _, err := change(ctx, conn, `select pgq.drop_queue($1)`, queue); err != nil {
		return fmt.Errorf("drop queue %s: %w", queue, err)
	}
	return nil
}

// ForceDropQueue drops a queue with its consumers, who lose what they have not
// read.
func ForceDropQueue(ctx context.Context, conn DB, queue string) error {
	if _, err := change(ctx, conn, `select pgq.drop_queue($1, true)`, queue); err != nil {
		return fmt.Errorf("drop queue %s: %w", queue, err)
	}
	return nil
}

// change runs one function that changes things, in a transaction of its own.
func change(ctx context.Context, conn DB, sql string, args ...any) (int64, error) {
	var n *int64
	err := failpoint.Commit(failpoint.Register, func() error {
		return conn.QueryRow(ctx, sql, args...).Scan(&n)
	})
	if err != nil || n == nil {
		return 0, known(err)
	}
	return *n, nil
}

// changeAs is change on one queue, by the functions that the role may call.
func changeAs(ctx context.Context, conn DB, sql, queue string, args ...any) (int64, error) {
	c, _, err := mayRead.callsOn(ctx, conn, queue)
	if err != nil {
		return 0, known(err)
	}
	return change(ctx, conn, c.sql(sql), append([]any{queue}, args...)...)
}

// Setting is one setting of a queue by its short name, such as
// ticker_max_lag, its value as text, intervals in seconds.
type Setting struct{ Name, Value string }

// settings are the names that [SetConfig] knows, in the order of [Queue.Settings].
var settings = []string{
	"ticker_max_count", "ticker_max_lag", "ticker_idle_period", "rotation_period", "ticker_paused", "external_ticker",
}

// Settings lists what [SetConfig] can change.
func (q Queue) Settings() []Setting {
	sec := func(d time.Duration) string { return fmt.Sprintf("%g", d.Seconds()) }
	values := []string{
		fmt.Sprint(q.MaxCount), sec(q.MaxLag), sec(q.IdlePeriod), sec(q.RotationPeriod),
		fmt.Sprint(q.TickerPaused), fmt.Sprint(q.ExternalTicker),
	}
	list := make([]Setting, len(settings))
	for i := range settings {
		list[i] = Setting{settings[i], values[i]}
	}
	return list
}

// SetConfig changes settings and policies of a queue, all or none. A prefix
// `queue_` of a name is accepted; a plain number for an interval means seconds.
// A policy's empty value switches it off.
func SetConfig(ctx context.Context, conn Beginner, queue string, changes []Setting) error {
	for i, c := range changes {
		name := strings.TrimPrefix(c.Name, "queue_")
		if all := slices.Concat(settings, policies); !slices.Contains(all, name) {
			return hint.With(fmt.Errorf("unknown config var: %s", c.Name), "known are %s", strings.Join(all, ", "))
		}
		changes[i].Name = name
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("config of queue %s: %w", queue, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	for _, c := range changes {
		if strings.HasPrefix(strings.TrimSpace(c.Value), "-") {
			return fmt.Errorf("config of queue %s: %s must not be negative: %s", queue, c.Name, c.Value)
		}
		if slices.Contains(policies, c.Name) {
			if _, err := tx.Exec(ctx, `select skytools.set_queue_policy($1, $2, nullif($3, ''))`, queue, c.Name, c.Value); err != nil {
				return fmt.Errorf("config of queue %s: %s: %w", queue, c.Name, known(err))
			}
			continue
		}
		if _, err := tx.Exec(ctx, `select pgq.set_queue_config($1, $2, $3)`, queue, c.Name, c.Value); err != nil {
			return hint.With(fmt.Errorf("config of queue %s: %s: %w", queue, c.Name, known(err)),
				"counts are whole numbers, periods numbers of seconds or intervals like '2 minutes', switches 0 or 1")
		}
	}
	if err := failpoint.Commit(failpoint.Register, func() error { return tx.Commit(ctx) }); err != nil {
		return fmt.Errorf("config of queue %s: %w", queue, err)
	}
	return nil
}

// FindQueue picks the queue of that name, or returns [ErrQueueNotFound].
func FindQueue(queues []Queue, name string) (Queue, error) {
	for _, q := range queues {
		if q.Name == name {
			return q, nil
		}
	}
	return Queue{}, fmt.Errorf("%w: %s", ErrQueueNotFound, name)
}
