// Package check holds what must be true after every replication test: the
// invariants of the queue and of a worker's counters. Equality of content is
// the other half (see internal/pgtest).
package check

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/pgq"
)

// Pair is a provider and a subscriber at rest, seen by the test.
type Pair struct {
	Provider, Subscriber *pgx.Conn
	Queue, Consumer      string
}

// Invariants fails the test for each invariant that does not hold:
//
//	ticks       ids grow with time and events, and each tick's snapshot covers
//	            the one before it
//	one batch   every event up to the last tick lies in exactly one batch
//	position    the subscriber is not beyond the provider's last tick, the
//	            provider's copy of the position not beyond the subscriber
//	kept        the tick of every consumer's position is still there, and no
//	            event table was emptied that one needed (see [WatchRotation])
//	counters    events = applied + coalesced + filtered + skipped, per table
//	tidy        no consumer of a copy, no pending foreign key or index is left
func (p Pair) Invariants(ctx context.Context, t testing.TB) {
	t.Helper()
	ticks := p.ticks(ctx, t)
	p.oneBatch(ctx, t, ticks)
	p.position(ctx, t, ticks)
	p.counters(ctx, t)
	p.tidy(ctx, t)
	p.rotation(ctx, t)
}

func (p Pair) ticks(ctx context.Context, t testing.TB) []pgq.Tick {
	t.Helper()
	rows, err := p.Provider.Query(ctx, `select tick_id, tick_snapshot::text, tick_event_seq, tick_time
		from pgq.tick join pgq.queue on queue_id = tick_queue where queue_name = $1 order by tick_id`, p.Queue)
	must(t, err)
	ticks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pgq.Tick, error) {
		var tick pgq.Tick
		var snapshot string
		if err := row.Scan(&tick.ID, &snapshot, &tick.EventSeq, &tick.Time); err != nil {
			return tick, err
		}
		var err error
		tick.Snapshot, err = pgq.ParseSnapshot(snapshot)
		return tick, err
	})
	must(t, err)
	for i := 1; i < len(ticks); i++ {
		if ticks[i].EventSeq < ticks[i-1].EventSeq || ticks[i].Time.Before(ticks[i-1].Time) {
			t.Errorf("tick %d is older than tick %d", ticks[i].ID, ticks[i-1].ID)
		}
		if !ticks[i].Snapshot.Covers(ticks[i-1].Snapshot) {
			t.Errorf("tick %d (%s) does not cover tick %d (%s)", ticks[i].ID, ticks[i].Snapshot, ticks[i-1].ID, ticks[i-1].Snapshot)
		}
	}
	return ticks
}

// oneBatch counts for every transaction with events the batches that hold it.
func (p Pair) oneBatch(ctx context.Context, t testing.TB, ticks []pgq.Tick) {
	t.Helper()
	if len(ticks) == 0 {
		t.Errorf("queue %s has no tick", p.Queue)
		return
	}
	rows, err := p.Provider.Query(ctx, fmt.Sprintf("select distinct ev_txid from pgq.event_%d", p.queueID(ctx, t)))
	must(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	must(t, err)
	first, last := ticks[0].Snapshot, ticks[len(ticks)-1].Snapshot
	for _, id := range ids {
		txid := pgq.TxID(id)
		if first.Sees(txid) || !last.Sees(txid) {
			continue
		}
		batches := 0
		for i := 1; i < len(ticks); i++ {
			if ticks[i].Snapshot.Sees(txid) && !ticks[i-1].Snapshot.Sees(txid) {
				batches++
			}
		}
		if batches != 1 {
			t.Errorf("events of transaction %d lie in %d batches", txid, batches)
		}
	}
}

func (p Pair) queueID(ctx context.Context, t testing.TB) int {
	t.Helper()
	var id int
	must(t, p.Provider.QueryRow(ctx, "select queue_id from pgq.queue where queue_name = $1", p.Queue).Scan(&id))
	return id
}

func (p Pair) position(ctx context.Context, t testing.TB, ticks []pgq.Tick) {
	t.Helper()
	var there, here pgq.TickID
	must(t, p.Provider.QueryRow(ctx, `select sub_last_tick from pgq.subscription join pgq.queue on queue_id = sub_queue
		join pgq.consumer on co_id = sub_consumer where queue_name = $1 and co_name = $2`, p.Queue, p.Consumer).Scan(&there))
	must(t, p.Subscriber.QueryRow(ctx, `select last_tick_id from pgq_node.local_state where queue_name = $1 and consumer_name = $2`,
		p.Queue, p.Consumer).Scan(&here))
	if here < there {
		t.Errorf("position at the subscriber is tick %d, the provider was told %d", here, there)
	}
	if last := ticks[len(ticks)-1].ID; here > last {
		t.Errorf("position at the subscriber is tick %d, the provider's last is %d", here, last)
	}
	var lost []string
	must(t, p.Provider.QueryRow(ctx, `select coalesce(array_agg(co_name), '{}') from pgq.subscription
		join pgq.consumer on co_id = sub_consumer
		where not exists (select from pgq.tick where tick_queue = sub_queue and tick_id = sub_last_tick)`).Scan(&lost))
	if len(lost) > 0 {
		t.Errorf("the tick of the position is gone for consumers %q", lost)
	}
}

func (p Pair) counters(ctx context.Context, t testing.TB) {
	t.Helper()
	rows, err := p.Subscriber.Query(ctx, `select table_name, events, applied, coalesced, filtered, skipped
		from skytools.table_counter where queue_name = $1 and consumer_name = $2
		and events <> applied + coalesced + filtered + skipped`, p.Queue, p.Consumer)
	must(t, err)
	for rows.Next() {
		values, err := rows.Values()
		must(t, err)
		t.Errorf("counters of %v do not add up: events %v, applied %v, coalesced %v, filtered %v, skipped %v",
			values[0], values[1], values[2], values[3], values[4], values[5])
	}
	must(t, rows.Err())
}

func (p Pair) tidy(ctx context.Context, t testing.TB) {
	t.Helper()
	for _, q := range []struct {
		conn      *pgx.Conn
		what, sql string
	}{
		{p.Provider, "consumers of copies", `select co_name from pgq.consumer where co_name like '%.copy.%'`},
		{p.Subscriber, "positions of copies", `select consumer_name from pgq_node.local_state where consumer_name like '%.copy.%'`},
		{p.Subscriber, "foreign keys not restored", `select fkey_name from londiste.pending_fkeys`},
		{p.Subscriber, "indexes and constraints not rebuilt", `select object_name from skytools.pending_ddl where kind <> 'trigger'`},
	} {
		rows, err := q.conn.Query(ctx, q.sql)
		must(t, err)
		left, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(t, err)
		if len(left) > 0 {
			t.Errorf("%s are left: %q", q.what, left)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
