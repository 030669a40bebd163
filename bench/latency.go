package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

var latencyLines = []line{
	{"p50", "ms", &bound{15, false, false}, &bound{10, false, false}},
	{"p95", "ms", nil, nil},
	{"p99", "ms", &bound{80, false, false}, &bound{50, false, false}},
	{"max", "ms", nil, nil},
	{"p50, commit to tick", "ms", nil, nil},
	{"p50, tick to visible", "ms", nil, nil},
	{"CPU of all processes", "% of a core", nil, nil},
	{"CPU of the daemons", "% of a core", nil, nil},
	{"idle, CPU of the daemons", "% of a core", nil, &bound{1, false, false}},
	{"idle, CPU of all processes", "% of a core", nil, nil},
	{"memory of a daemon, most", "MiB", &bound{64, false, false}, &bound{64, false, false}},
}

// latency measures the time from a row's commit at the provider until a
// session at the subscriber sees it. The clock starts at the server's own
// commit timestamp; both servers and this program have the same clock.
func (b *bench) latency(ctx context.Context) error {
	length := time.Duration(b.latencySeconds * float64(time.Second))
	return b.rounds(ctx, both, func(ctx context.Context, who string) error {
		return b.withReplica(ctx, who, nil, func(ctx context.Context, r *replica) error {
			const warmUp = 3 * time.Second
			last, err := r.write(ctx, 0, min(length, warmUp))
			if err != nil {
				return err
			}
			if err := r.arrived(ctx, last); err != nil {
				return err
			}
			if err := b.awaitQuiet(ctx); err != nil {
				return err
			}
			if err := r.watchWhile(ctx, last, length); err != nil {
				return err
			}
			if err := r.idle(ctx, min(length, 10*time.Second)); err != nil {
				return err
			}
			return r.addMemory("memory of a daemon, most")
		})
	})
}

// write inserts rows after last at random moments, so many a second on
// average, over two connections, and returns the last one.
func (r *replica) write(ctx context.Context, last int64, length time.Duration) (int64, error) {
	const writers = 2
	var id atomic.Int64
	id.Store(last)
	end := time.Now().Add(length)
	g, ctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, r.provider.dsn())
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			for at := time.Now(); ; {
				at = at.Add(time.Duration(rand.ExpFloat64() * writers / r.bench.rate * float64(time.Second)))
				if at.After(end) {
					return nil
				}
				if err := sleep(ctx, time.Until(at)); err != nil {
					return err
				}
				if _, err := conn.Exec(ctx, "insert into ev select "+rowOf+" from (values ($1::bigint)) as v (g)", id.Add(1)); err != nil {
					return err
				}
			}
		})
	}
	err := g.Wait()
	return id.Load(), err
}

// watchWhile writes for some time and notes the latencies of what it wrote.
func (r *replica) watchWhile(ctx context.Context, last int64, length time.Duration) error {
	var seen map[int64]time.Time
	var stop int64
	u, err := r.measure(func() error {
		g, ctx := errgroup.WithContext(ctx)
		var end atomic.Int64
		g.Go(func() (err error) {
			stop, err = r.write(ctx, last, length)
			end.Store(stop)
			return err
		})
		g.Go(func() (err error) {
			seen, err = r.watch(ctx, last, &end)
			return err
		})
		return g.Wait()
	})
	if err != nil {
		return err
	}
	rows, err := r.provider.conn.Query(ctx, "select id, pg_xact_commit_timestamp(xmin) from ev where id > $1", last)
	if err != nil {
		return err
	}
	var ms []float64
	var id int64
	var committed time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &committed}, func() error {
		at, found := seen[id]
		if !found {
			return fmt.Errorf("row %d was never seen at the subscriber", id)
		}
		ms = append(ms, at.Sub(committed).Seconds()*1000)
		return nil
	}); err != nil {
		return err
	}
	r.add("p50", quantile(ms, 0.5))
	r.add("p95", quantile(ms, 0.95))
	r.add("p99", quantile(ms, 0.99))
	r.add("max", quantile(ms, 1))
	r.addShares("CPU of all processes", "CPU of the daemons", u)
	if err := r.addTicks(ctx, seen, last); err != nil {
		return err
	}
	return r.equal(ctx)
}

// addTicks divides our latency at the start of the tick that sees the row.
func (r *replica) addTicks(ctx context.Context, seen map[int64]time.Time, last int64) error {
	if r.who != ours {
		return nil
	}
	rows, err := r.provider.conn.Query(ctx, `select e.id, pg_xact_commit_timestamp(e.xmin), t.tick_time
		from ev e cross join lateral (
			select tick_time from pgq.tick
			where txid_visible_in_snapshot(e.xmin::text::bigint, tick_snapshot)
			order by tick_id limit 1
		) t
		where e.id > $1`, last)
	if err != nil {
		return err
	}
	var before, after []float64
	var id int64
	var committed, ticked time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &committed, &ticked}, func() error {
		before = append(before, ticked.Sub(committed).Seconds()*1000)
		after = append(after, seen[id].Sub(ticked).Seconds()*1000)
		return nil
	})
	r.add("p50, commit to tick", quantile(before, 0.5))
	r.add("p50, tick to visible", quantile(after, 0.5))
	return err
}

// watch polls the subscriber for rows after last until it has all up to end,
// which is set when it is known. Rows may come in another order than that of
// their ids.
func (r *replica) watch(ctx context.Context, last int64, end *atomic.Int64) (map[int64]time.Time, error) {
	conn, err := pgx.Connect(ctx, r.subscriber.dsn())
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	seen := map[int64]time.Time{}
	first := last // all up to here were seen
	deadline := time.Now().Add(patience)
	for stop := end.Load(); stop == 0 || first < stop; stop = end.Load() {
		rows, err := conn.Query(ctx, "select id, clock_timestamp() from ev where id > $1", first)
		if err != nil {
			return nil, err
		}
		var id int64
		var at time.Time
		if _, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
			if _, known := seen[id]; !known {
				seen[id] = at
			}
			return nil
		}); err != nil {
			return nil, err
		}
		for ; !seen[first+1].IsZero(); first++ {
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("row %d does not arrive", first+1)
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// idle notes what it costs to wait for changes that do not come.
func (r *replica) idle(ctx context.Context, length time.Duration) error {
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	u, err := r.measure(func() error { return sleep(ctx, length) })
	if err != nil {
		return err
	}
	r.addShares("idle, CPU of all processes", "idle, CPU of the daemons", u)
	return nil
}

func (r *replica) addShares(all, daemons string, u usage) {
	r.add(all, 100*u.cpu().Seconds()/u.wall.Seconds())
	if len(r.daemons()) > 0 {
		r.add(daemons, 100*u.daemons.Seconds()/u.wall.Seconds())
	}
}
