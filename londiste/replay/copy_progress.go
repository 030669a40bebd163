package replay

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste/set"
)

// moved counts what a copier has moved of its table, its copy's earlier
// attempts included. The worker writes it down now and then.
type moved struct{ rows, bytes atomic.Int64 }

func (m *moved) start(rows, bytes int64) {
	m.rows.Store(rows)
	m.bytes.Store(bytes)
}

// meter counts what passes, and keeps it waiting for its turn.
func (c *copier) meter(ctx context.Context, rows, bytes int64) error {
	c.hold.moved.rows.Add(rows)
	c.hold.moved.bytes.Add(bytes)
	return loop.Sleep(ctx, c.chunks.pace.due(bytes, time.Now()), nil)
}

// speed is how fast the bytes of one copy came lately.
type speed struct {
	bytes int64
	rate  float64
}

// see takes a count and returns the smoothed rate. A count that went down
// began anew.
func (s *speed) see(bytes int64, passed time.Duration) float64 {
	now := max(0, float64(bytes-s.bytes)) / passed.Seconds()
	if s.rate == 0 {
		s.rate = now
	} else {
		s.rate += (now - s.rate) * 0.3
	}
	s.bytes = bytes
	return s.rate
}

// noteProgress writes down how far the copies are, once a second. A head that
// a new attempt holds is passed over: nobody waits for figures.
func (r *run) noteProgress(ctx context.Context) error {
	passed := time.Since(r.notedAt)
	if passed < 900*time.Millisecond {
		return nil
	}
	r.notedAt = time.Now()
	var names []string
	var rows, bytes []int64
	var rates []float64
	for name, c := range r.copies {
		n := c.moved.bytes.Load()
		if set.Phase(c.phase.Load()) != set.InCopy || n == c.speed.bytes && c.speed.rate < 1 {
			continue
		}
		names = append(names, name.String())
		rows, bytes = append(rows, c.moved.rows.Load()), append(bytes, n)
		rates = append(rates, c.speed.see(n, passed))
	}
	if len(names) == 0 {
		return nil
	}
	return r.writeProgress(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			with free as (
				select table_name from skytools.copy_table
				where queue_name = $1 and table_name = any ($2) and finished_at is null
				for no key update skip locked)
			update skytools.copy_table k set rows_copied = n.rows, bytes_copied = n.bytes,
				bytes_per_second = n.rate, reported_at = clock_timestamp()
			from unnest($2::text[], $3::bigint[], $4::bigint[], $5::float8[]) n (name, rows, bytes, rate)
			where k.queue_name = $1 and k.table_name = n.name and k.table_name in (select table_name from free)`,
			r.Queue, names, rows, bytes, rates)
		return err
	})
}

// writeProgress runs fn, which changes nothing that a crash may not take back.
func (r *run) writeProgress(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return r.fence.Write(ctx, r.sub, failpoint.CopyReport, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		return fn(tx)
	})
}
