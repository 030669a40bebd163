package replay

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/loop"
)

// CopyPace keeps copies from being a burden. Zero values set no limit.
type CopyPace struct {
	MaxRate int64 // bytes a second, of all copies together
	// While the provider is busier than this, no stream and no chunk is begun.
	// What is under way goes on, and the snapshot of a copy in chunks is held.
	MaxLag     time.Duration // age of what waits in the queue: for a tick, or for this subscriber
	MaxWriters int           // transactions that write at the provider
}

// chunking is how tables are cut up, and what all copiers share.
type chunking struct {
	workers  int   // connections for one table
	builders int   // indexes of one table that are built at a time
	bytes    int64 // of a chunk
	stream   int64 // a table of up to this size goes as one stream
	streams  *semaphore.Weighted
	pace     *pace
}

func (w *Worker) chunking() chunking {
	all := w.parallelCopies()
	c := chunking{
		workers:  min(cmp.Or(max(w.CopyWorkers, 0), max(1, runtime.NumCPU()/2)), all),
		builders: min(4, runtime.NumCPU()/2),
		bytes:    cmp.Or(max(w.ChunkBytes, 0), 64<<20),
		streams:  semaphore.NewWeighted(int64(all)),
		pace:     &pace{CopyPace: w.Pace},
	}
	c.stream = c.bytes
	return c
}

// pace spreads the bytes of all copies.
type pace struct {
	CopyPace
	mu   sync.Mutex
	next time.Time // when what has passed so far would have taken its time
}

// due books bytes that are to pass and says how long they have to wait.
func (p *pace) due(bytes int64, now time.Time) time.Duration {
	if p.MaxRate <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(bytes) / float64(p.MaxRate) * float64(time.Second)))
	return wait
}

// busySQL asks how old what waits in the queue is, in seconds: events for a
// tick, ticks for consumer $2; and how many transactions have written.
const busySQL = `
	select coalesce(extract(epoch from c.lag - q.ticker_lag), 0)::float8
			+ case when q.ev_new > 0 then extract(epoch from q.ticker_lag)::float8 else 0 end,
		(select count(*) from txid_snapshot_xip(txid_current_snapshot()))
	from pgq.get_queue_info($1) q left join pgq.get_consumer_info($1, $2) c on true`

// calm waits until the provider is not too busy for another piece.
func (c *copier) calm(ctx context.Context, prov *pgx.Conn) error {
	limit := c.chunks.pace.CopyPace
	if limit.MaxLag <= 0 && limit.MaxWriters <= 0 {
		return nil
	}
	for said := false; ; said = true {
		var lag float64
		var writers int
		if err := prov.QueryRow(ctx, busySQL, c.Queue, c.ConsumerName()).Scan(&lag, &writers); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
		lagging := limit.MaxLag > 0 && lag > limit.MaxLag.Seconds()
		if !lagging && (limit.MaxWriters <= 0 || writers <= limit.MaxWriters) {
			return nil
		}
		if !said {
			c.Logger().Info("Copy pauses: the provider is busy", "table", c.name.String(),
				"lag", time.Duration(lag*float64(time.Second)).Round(time.Millisecond), "writers", writers)
		}
		if err := loop.Sleep(ctx, time.Second, nil); err != nil {
			return err
		}
	}
}
