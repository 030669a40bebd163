package pgq

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ConsumerInfo is one consumer's subscription to one queue.
type ConsumerInfo struct {
	Queue         string        `json:"queue_name"`
	Name          string        `json:"consumer_name"`
	Lag           time.Duration `json:"-"` // age of the last finished tick
	LastSeen      time.Duration `json:"-"` // since its last sign of life
	LastTick      TickID        `json:"last_tick"`
	Batch         int64         `json:"current_batch"`  // the open one, 0 for none
	NextTick      TickID        `json:"next_tick"`      // of the open batch, 0 for none
	PendingEvents int64         `json:"pending_events"` // estimate by the event sequence
	PendingBytes  int64         `json:"pending_bytes"`  // their share of the event tables; told by [Queues] only
	// HoldsRotation: rotation is due, and it has still to read what would go.
	HoldsRotation bool `json:"holds_rotation"`
}

// Behind is its lag; 0 where it has read all there is, however old the last tick is.
func (c ConsumerInfo) Behind() time.Duration {
	if c.PendingEvents == 0 {
		return 0
	}
	return c.Lag
}

// Bookkeeping tells a consumer that nobody runs and nobody is to drop: maintenance moves it,
// every few minutes, for what nodes have still to get.
func (c ConsumerInfo) Bookkeeping() bool { return strings.HasPrefix(c.Name, ".") }

// State names what is out of the ordinary.
func (c ConsumerInfo) State() []string {
	if c.HoldsRotation {
		return []string{"holds up rotation"}
	}
	return nil
}

// Consumers lists all consumers of a database by queue and name.
func Consumers(ctx context.Context, conn DB) ([]ConsumerInfo, error) {
	rows, err := conn.Query(ctx, `select queue_name, consumer_name,
			coalesce(extract(epoch from lag), 0)::float8, coalesce(extract(epoch from last_seen), 0)::float8,
			coalesce(last_tick, 0), coalesce(current_batch, 0), coalesce(next_tick, 0), coalesce(pending_events, 0),
			coalesce(queue_switch_time + queue_rotation_period < now() and queue_switch_step2 is not null
				and (txid_snapshot_xmin(tick_snapshot) > queue_switch_step2) is not true, false)
		from pgq.get_consumer_info() join pgq.queue using (queue_name)
			left join pgq.tick on tick_queue = queue_id and tick_id = last_tick
		order by queue_name, consumer_name`)
	if err != nil {
		return nil, fmt.Errorf("list consumers: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c ConsumerInfo, err error) {
		var lag, seen float64
		err = row.Scan(&c.Queue, &c.Name, &lag, &seen, &c.LastTick, &c.Batch, &c.NextTick, &c.PendingEvents, &c.HoldsRotation)
		c.Lag, c.LastSeen = ago(lag), ago(seen)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("list consumers: %w", err)
	}
	return list, nil
}

// Register subscribes a consumer to a queue from its last tick on, and tells
// whether it was not there yet.
func Register(ctx context.Context, conn DB, queue, consumer string) (bool, error) {
	n, err := changeAs(ctx, conn, `select pgq.register_consumer($1, $2)`, queue, consumer)
	if err != nil {
		return false, fmt.Errorf("register consumer %s on queue %s: %w", consumer, queue, err)
	}
	return n == 1, nil
}

// RegisterAt subscribes a consumer from a tick on, or moves one that is
// registered there, back or forth; its open batch is dropped. [ErrTickNotFound]
// if the queue has no such tick.
func RegisterAt(ctx context.Context, conn DB, queue, consumer string, tick TickID) (bool, error) {
	n, err := changeAs(ctx, conn, `select pgq.register_consumer_at($1, $2, $3)`, queue, consumer, int64(tick))
	if err != nil {
		return false, fmt.Errorf("register consumer %s on queue %s at tick %d: %w", consumer, queue, tick, err)
	}
	return n == 1, nil
}

// RegisterMember adds a member to a cooperative consumer, which is registered
// with it, and tells whether it was not there yet.
func RegisterMember(ctx context.Context, conn DB, queue, consumer, member string) (bool, error) {
	n, err := changeAs(ctx, conn, `select pgq_coop.register_subconsumer($1, $2, $3)`, queue, consumer, member)
	if err != nil {
		return false, fmt.Errorf("register member %s of consumer %s on queue %s: %w", member, consumer, queue, err)
	}
	return n == 1, nil
}

// UnregisterMember takes a member from a cooperative consumer and tells whether
// it was there. Its open batch goes to the next member that asks.
func UnregisterMember(ctx context.Context, conn DB, queue, consumer, member string) (bool, error) {
	n, err := changeAs(ctx, conn, `select pgq_coop.unregister_subconsumer($1, $2, $3, 1)`, queue, consumer, member)
	if err != nil {
		return false, fmt.Errorf("unregister member %s of consumer %s from queue %s: %w", member, consumer, queue, err)
	}
	return n > 0, nil
}

// Unregister ends a subscription and tells whether there was one.
func Unregister(ctx context.Context, conn DB, queue, consumer string) (bool, error) {
	n, err := changeAs(ctx, conn, `select pgq.unregister_consumer($1, $2)`, queue, consumer)
	if err != nil {
		return false, fmt.Errorf("unregister consumer %s from queue %s: %w", consumer, queue, err)
	}
	return n > 0, nil
}

// MarshalJSON adds the durations, in seconds, under PgQ's names.
func (c ConsumerInfo) MarshalJSON() ([]byte, error) {
	type plain ConsumerInfo
	return json.Marshal(struct {
		plain
		Lag      float64 `json:"lag"`
		LastSeen float64 `json:"last_seen"`
	}{plain(c), fine(c.Lag), fine(c.LastSeen)})
}
