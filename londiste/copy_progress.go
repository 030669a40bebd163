package londiste

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
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
		if Phase(c.phase.Load()) != InCopy || n == c.speed.bytes && c.speed.rate < 1 {
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
	return r.fence.write(ctx, r.sub, failpoint.CopyReport, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = off"); err != nil {
			return err
		}
		return fn(tx)
	})
}

// CopyProgress is how far a table's copy is, or what the last one was.
type CopyProgress struct {
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"` // its rows were there; nil: they are not yet
	Attempts int        `json:"attempts"`    // more than one: it was interrupted and went on
	Rows     int64      `json:"rows"`
	Bytes    int64      `json:"bytes"` // as sent
	// RowsExpected is the provider's guess, nil where it has none.
	RowsExpected *int64   `json:"rows_expected"`
	Chunks       int      `json:"chunks"` // 0: one stream
	ChunksDone   int      `json:"chunks_done"`
	Done         *float64 `json:"fraction_done"` // nil where it cannot be told
	Rate         float64  `json:"bytes_per_second"`
	Left         *float64 `json:"seconds_left"`

	chunkBytes int64   // of the chunks done
	all        float64 // of a sum: bytes that will have been sent
	unknown    bool    // of a sum: not of every copy
}

// estimate fills in what follows from the figures.
func (p *CopyProgress) estimate() {
	if p.Finished != nil {
		done, left := 1.0, 0.0
		p.Done, p.Left, p.Rate = &done, &left, 0
		return
	}
	var all float64 // bytes
	switch {
	case p.ChunksDone > 0:
		all = float64(p.chunkBytes) / float64(p.ChunksDone) * float64(p.Chunks)
	case p.RowsExpected != nil && p.Rows > 0:
		all = float64(p.Bytes) / float64(p.Rows) * float64(*p.RowsExpected)
	}
	if all <= 0 {
		return
	}
	done := min(float64(p.Bytes)/all, 0.999) // it is not finished, whatever was guessed
	p.Done = &done
	if p.Rate >= 1 {
		left := max(0, all-float64(p.Bytes)) / p.Rate
		p.Left = &left
	}
}

// copyProgress reads the progress of all copies of the queue.
func copyProgress(ctx context.Context, q queryer, queue string) (map[ident.Name]*CopyProgress, error) {
	rows, err := q.Query(ctx, `
		select k.table_name, k.started_at, k.finished_at, k.attempt, k.rows_copied, k.bytes_copied, k.rows_expected,
			coalesce(k.bytes_per_second, 0), count(c.first_page), count(c.attempt),
			coalesce(sum(c.rows_copied), 0)::bigint, coalesce(sum(c.bytes_copied), 0)::bigint
		from skytools.copy_table k left join skytools.copy_chunk c using (queue_name, table_name)
		where k.queue_name = $1 group by k.queue_name, k.table_name`, queue)
	if err != nil {
		return nil, fmt.Errorf("read progress of copies: %w", err)
	}
	found := map[ident.Name]*CopyProgress{}
	var (
		text      string
		p         CopyProgress
		chunkRows int64
	)
	_, err = pgx.ForEachRow(rows, []any{
		&text, &p.Started, &p.Finished, &p.Attempts, &p.Rows, &p.Bytes, &p.RowsExpected,
		&p.Rate, &p.Chunks, &p.ChunksDone, &chunkRows, &p.chunkBytes,
	}, func() error {
		name, err := ident.Parse(text)
		if err != nil {
			return err
		}
		own := p
		own.Rows, own.Bytes = max(p.Rows, chunkRows), max(p.Bytes, p.chunkBytes)
		own.estimate()
		found[name] = &own
		return nil
	})
	return found, err
}

// add takes another copy into a sum.
func (p *CopyProgress) add(q *CopyProgress) {
	if q.Started.Before(p.Started) {
		p.Started = q.Started
	}
	p.Attempts += q.Attempts
	p.Rows, p.Bytes = p.Rows+q.Rows, p.Bytes+q.Bytes
	p.Chunks, p.ChunksDone = p.Chunks+q.Chunks, p.ChunksDone+q.ChunksDone
	p.Rate += q.Rate
	if q.Done == nil || *q.Done == 0 {
		p.unknown = true
		return
	}
	p.all += float64(q.Bytes) / *q.Done
}

// estimateAll fills in what follows from a sum.
func (p *CopyProgress) estimateAll() {
	if p.unknown || p.all <= 0 {
		return
	}
	done := float64(p.Bytes) / p.all
	p.Done = &done
	if p.Rate >= 1 {
		left := max(0, p.all-float64(p.Bytes)) / p.Rate
		p.Left = &left
	}
}
