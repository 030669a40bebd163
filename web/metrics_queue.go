package web

import (
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

// What the provider of a subscription and the database of a ticker tell of their
// queues are the same metrics.

// read are the databases that the last look has read.
func read(now *scrape) (all []Database) {
	for _, db := range now.Databases {
		if db.Status != nil && db.Err == nil {
			all = append(all, db)
		}
	}
	return all
}

// provider is the set whose provider told of its queue, nil for none.
func provider(now *scrape) *londiste.Status {
	if now.Set == nil || now.Set.Events == nil || now.Set.Provider.Error != "" {
		return nil
	}
	return now.Set
}

// databaseRow is a database with queues.
type databaseRow struct {
	name    string
	oldest  *pgq.Transaction
	tickers *doctor.Status // nil where nobody looked for them
}

var databaseMetrics = section[databaseRow]{
	about: "A database with queues", labels: []string{"database"},
	rows: func(now *scrape) (rows []databaseRow) {
		if st := provider(now); st != nil {
			rows = append(rows, databaseRow{st.Provider.Database, st.Events.Oldest, nil})
		}
		for _, db := range read(now) {
			rows = append(rows, databaseRow{db.Name, db.Status.OldestTransaction, db.Status})
		}
		return rows
	},
	values: func(d databaseRow) []string { return []string{d.name} },
	families: []family[databaseRow]{
		{"oldest_transaction_seconds", "Age of the oldest transaction of the server that has written something, for which rotation waits; 0: there is none.", func(d databaseRow) *float64 {
			if d.oldest == nil {
				return of(0)
			}
			return of(time.Duration(d.oldest.Age).Seconds())
		}},
		{"ticker_leads", "1: a ticker of ours is connected and leads. One behind a pooler is not seen.", func(d databaseRow) *float64 {
			if d.tickers == nil {
				return nil
			}
			return is(len(d.tickers.Tickers) > 0 && d.tickers.Tickers[0].Leads)
		}},
		{"other_tickers", "Tickers of other programs that are connected.", func(d databaseRow) *float64 {
			if d.tickers == nil {
				return nil
			}
			return of(len(d.tickers.OtherTickers))
		}},
	},
}

// queueRow is a queue in the words of a subscription's status.
type queueRow struct {
	database, name string
	londiste.QueueStatus
	closed *float64 // a subscription's status does not tell
}

func queueRows(now *scrape) (rows []queueRow) {
	if st := provider(now); st != nil {
		rows = append(rows, queueRow{st.Provider.Database, st.Queue, *st.Events, nil})
	}
	for _, db := range read(now) {
		for _, q := range db.Status.Queues {
			row := queueRow{db.Name, q.Name, londiste.QueueStatus{
				LastTick: int64(q.LastTick), TickAge: q.TickerLag.Seconds(), Late: q.Late(), EventsPerSec: q.EventsPerSec, NewEvents: q.NewEvents,
				Tables: q.Tables, Size: q.Size, Rotation: q.RotationPeriod.Seconds(), RotatedAge: q.RotatedAgo.Seconds(), Paused: q.TickerPaused, Kept: q.EventsKept,
			}, is(q.DisableInsert)}
			for _, b := range db.Status.Budgets {
				if b.Queue == q.Name {
					row.Budget = &b.Bytes
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

var queueMetrics = section[queueRow]{
	about: "A queue", labels: []string{"database", "queue"}, rows: queueRows,
	values: func(q queueRow) []string { return []string{q.database, q.name} },
	families: []family[queueRow]{
		{"queue_last_tick", "Number of its last tick. Its rate is that of ticks.", func(q queueRow) *float64 { return of(q.LastTick) }},
		{"queue_tick_age_seconds", "Time since the last tick.", func(q queueRow) *float64 { return of(q.TickAge) }},
		{"queue_late", "1: it should have been ticked.", func(q queueRow) *float64 { return is(q.Late) }},
		{"queue_events_per_second", "Events between the last ticks, a second.", func(q queueRow) *float64 { return of(q.EventsPerSec) }},
		{"queue_new_events", "Events since the last tick, by the event sequence.", func(q queueRow) *float64 { return of(q.NewEvents) }},
		{"queue_kept_events", "Events from its oldest tick to its newest, by the event sequence.", func(q queueRow) *float64 { return of(q.Kept) }},
		{"queue_bytes", "Size of its event tables with their indexes.", func(q queueRow) *float64 { return of(q.Size) }},
		{"queue_budget_bytes", "Backlog at which a consumer is taken from it; absent: there is no limit.", func(q queueRow) *float64 { return opt(q.Budget) }},
		{"queue_event_tables", "Event tables that it turns through.", func(q queueRow) *float64 { return of(q.Tables) }},
		{"queue_rotation_period_seconds", "How often it is to turn to the next event table.", func(q queueRow) *float64 { return of(q.Rotation) }},
		{"queue_rotation_age_seconds", "Time since it did.", func(q queueRow) *float64 { return of(q.RotatedAge) }},
		{"queue_paused", "1: its ticker is paused.", func(q queueRow) *float64 { return is(q.Paused) }},
		{"queue_closed", "1: it takes no events; pgqadm tells.", func(q queueRow) *float64 { return q.closed }},
	},
}

// consumerRow is one consumer of a queue.
type consumerRow struct {
	database, queue string
	londiste.ReaderStatus
	holds *float64 // a subscription's status does not tell
}

func consumerRows(now *scrape) (rows []consumerRow) {
	if st := provider(now); st != nil {
		for _, r := range st.Readers {
			rows = append(rows, consumerRow{st.Provider.Database, st.Queue, r, nil})
		}
	}
	for _, db := range read(now) {
		for _, q := range db.Status.Queues {
			for _, c := range q.Consumers {
				rows = append(rows, consumerRow{db.Name, q.Name, londiste.ReaderStatus{
					Name: c.Name, Lag: c.Lag.Seconds(), Seen: c.LastSeen.Seconds(), Pending: c.PendingEvents, Bytes: c.PendingBytes, LastTick: int64(c.LastTick),
				}, is(c.HoldsRotation)})
			}
		}
	}
	return rows
}

var consumerMetrics = section[consumerRow]{
	about: "A consumer of a queue", labels: []string{"database", "queue", "consumer"}, rows: consumerRows,
	values: func(c consumerRow) []string { return []string{c.database, c.queue, c.Name} },
	families: []family[consumerRow]{
		{"consumer_lag_seconds", "Age of the last tick that it has finished.", func(c consumerRow) *float64 { return of(c.Lag) }},
		{"consumer_last_seen_seconds", "Time since its last sign of life.", func(c consumerRow) *float64 { return of(c.Seen) }},
		{"consumer_pending_events", "Events that it has still to read, by the event sequence.", func(c consumerRow) *float64 { return of(c.Pending) }},
		{"consumer_pending_bytes", "Their share of the event tables.", func(c consumerRow) *float64 { return of(c.Bytes) }},
		{"consumer_last_tick", "Number of the last tick that it has finished.", func(c consumerRow) *float64 { return of(c.LastTick) }},
		{"consumer_holds_rotation", "1: rotation is due and waits for it; pgqadm tells.", func(c consumerRow) *float64 { return c.holds }},
	},
}

// asideRow is what has become of a consumer's events, or of the consumer. It may
// be registered no longer.
type asideRow struct {
	database, queue, consumer string
	retries, dead             *float64
	backlog, detached         *float64
}

func asideRows(now *scrape) (rows []asideRow) {
	for _, db := range read(now) {
		found := map[[2]string]*asideRow{}
		row := func(queue, consumer string) *asideRow {
			key := [2]string{queue, consumer}
			if found[key] == nil {
				found[key] = &asideRow{database: db.Name, queue: queue, consumer: consumer, retries: of(0), dead: of(0)}
			}
			return found[key]
		}
		for _, q := range db.Status.Queues {
			for _, c := range q.Consumers {
				row(q.Name, c.Name)
			}
		}
		for _, a := range db.Status.Aside {
			r := row(a.Queue, a.Consumer)
			r.retries, r.dead = of(a.Retries), of(a.Dead)
		}
		for _, b := range db.Status.Warnings {
			row(b.Queue, b.Consumer).backlog = of(b.Bytes)
		}
		for _, d := range db.Status.Detached {
			row(d.Queue, d.Consumer).detached = at(&d.At)
		}
		for _, r := range found {
			rows = append(rows, *r)
		}
	}
	return rows
}

var asideMetrics = section[asideRow]{
	about: "A consumer, also one that is registered no longer; pgqadm tells", labels: []string{"database", "queue", "consumer"}, rows: asideRows,
	values: func(a asideRow) []string { return []string{a.database, a.queue, a.consumer} },
	families: []family[asideRow]{
		{"consumer_retry_events", "Events that will come to it again.", func(a asideRow) *float64 { return a.retries }},
		{"consumer_dead_events", "Dead letters: events that it gave up.", func(a asideRow) *float64 { return a.dead }},
		{"consumer_backlog_bytes", "Its backlog, where maintenance warns of it; else absent.", func(a asideRow) *float64 { return a.backlog }},
		{"consumer_detached_timestamp_seconds", "When maintenance took it from its queue for its backlog.", func(a asideRow) *float64 { return a.detached }},
	},
}
