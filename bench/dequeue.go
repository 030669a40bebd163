package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/pgq"
)

const plainCopy = "COPY"

func dequeueLines() []line {
	var all []line
	for _, bytes := range eventSizes {
		all = append(all, line{dequeueMetric(bytes), "events/s", nil, &bound{0.8, true, true}})
	}
	return all
}

var eventSizes = []int{100, 2048}

func dequeueMetric(bytes int) string { return fmt.Sprintf("one batch, %d B", bytes) }

// dequeue measures how fast a batch is read, beside a COPY of the same rows.
func (b *bench) dequeue(ctx context.Context) error {
	return b.withQueues(ctx, func(ctx context.Context, all []*queueVariant) error {
		return b.rounds(ctx, []string{"all queues"}, func(ctx context.Context, _ string) error {
			for _, bytes := range eventSizes {
				if err := b.awaitQuiet(ctx); err != nil {
					return err
				}
				for _, v := range all {
					if err := b.dequeueOf(ctx, v, bytes); err != nil {
						return fmt.Errorf("%s, %d B: %w", v.name, bytes, err)
					}
				}
			}
			return nil
		})
	})
}

// dequeueOf fills a queue, and reads it.
func (b *bench) dequeueOf(ctx context.Context, v *queueVariant, bytes int) error {
	n := b.queueRead / (1 + bytes/eventSizes[1]*4) / eventsOfBatch * eventsOfBatch // a fifth of the large ones
	if v.name != lockedTable {                                                     // everything before is read, and gone
		if err := v.standAtTheEnd(ctx); err != nil {
			return err
		}
	}
	if err := execAll(ctx, v.conn, "truncate "+v.tables); err != nil {
		return err
	}
	if err := v.writeMany(ctx, v.conn, strings.Repeat("d", bytes), n); err != nil {
		return err
	}
	if err := execAll(ctx, v.conn, "checkpoint", "select count(*) from "+v.parent()); err != nil {
		return err
	}
	if v.ours {
		var took time.Duration
		for range 2 { // the first sets hint bits
			var err error
			took, err = timed(func() error {
				_, err := v.conn.PgConn().CopyTo(ctx, io.Discard, "copy pgq.event_1_0 to stdout")
				return err
			})
			if err != nil {
				return err
			}
		}
		b.add(plainCopy, dequeueMetric(bytes), float64(n)/took.Seconds())
	}
	for _, way := range v.ways() {
		found := 0
		took, err := timed(func() (err error) {
			found, err = way.read(ctx)
			return err
		})
		if err == nil && found != n {
			err = fmt.Errorf("%s: %d events of %d", way.name, found, n)
		}
		if err != nil {
			return err
		}
		b.add(way.name, dequeueMetric(bytes), float64(n)/took.Seconds())
	}
	return nil
}

// way is one way to read a queue's events.
type way struct {
	name string
	read func(context.Context) (int, error)
}

// ways are all for a kind of queue; only the last takes the events away.
func (v *queueVariant) ways() []way {
	switch v.name {
	case ours:
		return []way{{"ours, as found", v.byReader}, {ours, v.byConsumer}}
	case extensionQueue:
		return []way{{v.name, v.byFunction}}
	}
	return []way{{v.name, v.byLock}}
}

func timed(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}

// standAtTheEnd has the consumer stand at a tick after all that is there.
func (v *queueVariant) standAtTheEnd(ctx context.Context) error {
	return execAll(ctx, v.conn, "select pgq.force_tick('q')", "select pgq.ticker('q')",
		"select pgq.register_consumer_at('q', 'c', (select max(tick_id) from pgq.tick))")
}

func (v *queueVariant) tick(ctx context.Context) error {
	return execAll(ctx, v.conn, "select pgq.force_tick('q')", "select pgq.ticker('q')")
}

func (v *queueVariant) byReader(ctx context.Context) (n int, err error) {
	r := pgq.NewReader(v.conn, "q")
	r.AsFound = true
	prev, err := r.Last(ctx)
	if err := errors.Join(err, v.tick(ctx)); err != nil {
		return 0, err
	}
	cur, err := r.Last(ctx)
	if err != nil {
		return 0, err
	}
	err = r.Stream(ctx, prev, cur, func(*pgq.RawEvent) error { n++; return nil })
	return n, err
}

// byConsumer includes the consumer's connection and the batch's end.
func (v *queueVariant) byConsumer(ctx context.Context) (n int, err error) {
	config, err := pgx.ParseConfig(v.dsn)
	if err != nil {
		return 0, err
	}
	stop := make(chan struct{})
	c := pgq.Consumer{Database: config, Queue: "q", Name: "c", Stop: stop}
	err = c.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for _, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		if n > 0 {
			close(stop)
		}
		return nil
	})
	return n, err
}

func (v *queueVariant) byFunction(ctx context.Context) (n int, err error) {
	if err := v.tick(ctx); err != nil {
		return 0, err
	}
	var batch int64
	if err := v.conn.QueryRow(ctx, "select pgq.next_batch('q', 'c')").Scan(&batch); err != nil {
		return 0, err
	}
	rows, err := v.conn.Query(ctx, "select ev_id, ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4 from pgq.get_batch_events($1)", batch)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return n, execAll(ctx, v.conn, fmt.Sprintf("select pgq.finish_batch(%d)", batch))
}

func (v *queueVariant) byLock(ctx context.Context) (n int, err error) {
	for {
		rows, err := v.conn.Query(ctx, "delete from job where id in (select id from job order by id for update skip locked limit $1) returning *", eventsOfBatch)
		if err != nil {
			return n, err
		}
		before := n
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n == before {
			return n, err
		}
	}
}
