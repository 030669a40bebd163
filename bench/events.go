package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/pgq"
)

var eventsLines = []line{
	{"p50", "ms", nil, &bound{10, false, false}},
	{"p95", "ms", nil, nil},
	{"p99", "ms", nil, &bound{50, false, false}},
	{"max", "ms", nil, nil},
	{"events", "events/s", nil, nil},
	{"CPU of the ticker", "% of a core", nil, nil},
}

// events measures the time from the commit of an event's transaction until a
// consumer has the event in hand, everything in default configuration.
func (b *bench) events(ctx context.Context) error {
	length := time.Duration(b.latencySeconds * float64(time.Second))
	return b.rounds(ctx, []string{ours}, func(ctx context.Context, who string) (err error) {
		s, err := startServer(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.remove()) }()
		if err := s.create(ctx, ""); err != nil {
			return err
		}
		p := programs{b.bin, b.dir}
		err = os.WriteFile(filepath.Join(b.dir, "ticker.ini"), fmt.Appendf(nil, tickerINI, s.dsn()), 0o644)
		if err := errors.Join(err, p.command(ctx, "pgqadm ticker.ini install", "pgqadm ticker.ini create q", "pgqadm ticker.ini register q c",
			"pgqadm ticker.ini ticker -d")); err != nil {
			return err
		}
		defer func() {
			ctx := context.WithoutCancel(ctx)
			err = errors.Join(err, p.command(ctx, "pgqadm ticker.ini ticker -k"), p.gone(ctx, "ticker.pid"))
		}()
		if err := b.awaitQuiet(ctx); err != nil {
			return err
		}
		return b.eventsFor(ctx, s, p, length)
	})
}

func (b *bench) eventsFor(ctx context.Context, s *server, p programs, length time.Duration) error {
	const warmUp = time.Second
	stop := make(chan struct{})
	seen := map[pgq.EventID]time.Time{}
	written := 0
	ticker := cpuOf(p.daemons()...)
	g, running := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		written, err = b.produce(running, s.dsn(), warmUp+length)
		if err != nil {
			return err
		}
		err = sleep(running, time.Second)
		close(stop)
		return err
	})
	g.Go(func() error { return consume(running, s.dsn(), stop, seen) })
	if err := g.Wait(); err != nil {
		return err
	}
	if len(seen) != written {
		return fmt.Errorf("%d events of %d", len(seen), written)
	}
	b.add(ours, "CPU of the ticker", 100*(cpuOf(p.daemons()...)-ticker).Seconds()/(warmUp+length).Seconds())
	b.add(ours, "events", float64(written)/(warmUp+length).Seconds())

	// Transaction ids of a new cluster are in their first epoch.
	rows, err := s.conn.Query(ctx, "select ev_id, pg_xact_commit_timestamp(ev_txid::text::xid) from pgq.event_1 order by ev_id")
	if err != nil {
		return err
	}
	var ms []float64
	var id int64
	var committed, first time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &committed}, func() error {
		if first.IsZero() {
			first = committed
		}
		if committed.Sub(first) > warmUp {
			ms = append(ms, seen[pgq.EventID(id)].Sub(committed).Seconds()*1000)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for metric, q := range map[string]float64{"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1} {
		b.add(ours, metric, quantile(ms, q))
	}
	return nil
}

// produce writes events at random moments, so many a second on average, over
// four connections, and returns how many.
func (b *bench) produce(ctx context.Context, dsn string, length time.Duration) (int, error) {
	const producers = 4
	counts := make([]int, producers)
	end := time.Now().Add(length)
	g, ctx := errgroup.WithContext(ctx)
	for i := range counts {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			producer := pgq.Producer{Queue: "q"}
			for at := time.Now(); ; counts[i]++ {
				at = at.Add(time.Duration(rand.ExpFloat64() * producers / b.eventRate * float64(time.Second)))
				if at.After(end) {
					return nil
				}
				if err := sleep(ctx, time.Until(at)); err != nil {
					return err
				}
				if _, err := producer.Insert(ctx, conn, pgq.Event{Type: "type", Data: []byte("data of an event")}); err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	written := 0
	for _, n := range counts {
		written += n
	}
	return written, err
}

func consume(ctx context.Context, dsn string, stop <-chan struct{}, seen map[pgq.EventID]time.Time) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	c := pgq.Consumer{Database: config, Queue: "q", Name: "c", Stop: stop}
	return c.Run(ctx, func(ctx context.Context, batch *pgq.Batch) error {
		for ev, err := range batch.Events(ctx) {
			if err != nil {
				return err
			}
			seen[ev.ID] = time.Now()
		}
		return nil
	})
}
