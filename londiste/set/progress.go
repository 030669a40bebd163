package set

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

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
	ChunksRedone int      `json:"chunks_redone"` // begun again after an attempt was cut off, or its rows were void
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

// ReadProgress reads the progress of all copies of the queue.
func ReadProgress(ctx context.Context, q Queryer, queue string) (map[ident.Name]*CopyProgress, error) {
	rows, err := q.Query(ctx, `
		select k.table_name, k.started_at, k.finished_at, k.attempt, k.rows_copied, k.bytes_copied, k.rows_expected,
			coalesce(k.bytes_per_second, 0), count(c.first_page), count(c.attempt),
			k.chunks_voided + coalesce(sum(greatest(c.begun - 1, 0)), 0)::int,
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
		&p.Rate, &p.Chunks, &p.ChunksDone, &p.ChunksRedone, &chunkRows, &p.chunkBytes,
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

// Add takes another copy into a sum.
func (p *CopyProgress) Add(q *CopyProgress) {
	if q.Started.Before(p.Started) {
		p.Started = q.Started
	}
	p.Attempts += q.Attempts
	p.Rows, p.Bytes = p.Rows+q.Rows, p.Bytes+q.Bytes
	p.Chunks, p.ChunksDone = p.Chunks+q.Chunks, p.ChunksDone+q.ChunksDone
	p.ChunksRedone += q.ChunksRedone
	p.Rate += q.Rate
	if q.Done == nil || *q.Done == 0 {
		p.unknown = true
		return
	}
	p.all += float64(q.Bytes) / *q.Done
}

// EstimateAll fills in what follows from a sum.
func (p *CopyProgress) EstimateAll() {
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
