package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// Worker is the daemon of a subscriber: it copies the tables registered
// there, applies the provider's changes and mirrors its sequences.
type Worker struct {
	set.Pair
	ParallelCopies int             // tables copied at the same time, and connections that copy, in all; 0 means 4
	CopyWorkers    int             // connections that copy one table; 0 means by the machine's cores
	ChunkBytes     int64           // of a table that is copied in chunks; 0 means 64 MiB
	Pace           CopyPace        // of copies
	MergeEvents    int64           // events of one batch while behind; 0 means 100,000
	FetchAhead     int             // bytes read before they are applied; 0 means 4 MiB
	Idle           time.Duration   // pause between looks where no notification comes; 0 means 1 s
	StopOnConflict bool            // stop at a row that was changed here; false: set it right and count it
	ParkAfter      time.Duration   // how long a batch may fail for a table before it is applied without; 0 means 5 s, less is never
	ParkMaxAge     time.Duration   // age of a parked table's events at which it is given up; 0 means none
	ParkMaxSize    int64           // the same, by bytes of the queue that they keep
	Stop           <-chan struct{} // closed: leave after the batch under way; may be nil
	Stats          func(Stats)     // called after each batch that held events; may be nil
}

// Stats is what one batch did.
type Stats struct {
	Events   int64         // events read
	Ignored  int64         // of them, events of tables that are not applied here
	Duration time.Duration // from the first event at hand to the commit
}

// Run replicates until ctx ends or Stop is closed, which is no error. It
// comes back with an error only where trying again cannot help: the consumer
// belongs to another database, the position is not in the queue. Everything
// else is logged and tried again; a worker that lost its lease waits until it
// is free again.
func (w *Worker) Run(ctx context.Context) error {
	r := &run{
		Worker: w,
		fence:  set.Fence{Queue: w.Queue, Consumer: w.ConsumerName()},
		wake:   make(chan struct{}, 1),
		bell:   newBell(),
		copies: map[ident.Name]*copying{}, fkeys: semaphore.NewWeighted(1),
		chunks: w.chunking(), strange: map[string]bool{},
	}
	defer r.close()
	err := (&loop.Loop{
		Idle: r.idle(), MaxBackoff: maxBackoff, Wake: r.wake, Stop: w.Stop, OnError: r.failed,
		Stuck: func() bool { return r.stuck }, // until the batch is there again, which may take its time
	}).Run(ctx, r.step)
	if err == nil && ctx.Err() == nil && r.fetch != nil {
		r.sayGoodbye(ctx)
	}
	return err
}

const (
	maxBackoff = 20 * time.Second
)

// run is one Run of a worker. Everything but wake, dirty, at and bell belongs to
// the goroutine of the loop.
type run struct {
	*Worker
	fence set.Fence
	wake  chan struct{} // ends the loop's idle sleep
	dirty atomic.Bool   // a copier changed a table's state
	at    atomic.Int64  // the position, for copiers
	bell  *bell         // rung when the provider has ticked

	me     set.Identity // of the subscriber
	sub    *pgx.Conn
	prov   *pgx.Conn // claims, acks, sequences, registrations
	reader *pgq.Reader
	fetch  *fetcher // nil until the position is known
	listen *listener

	tables    *registry
	applier   *apply.Applier
	mirror    *mirror // of sequences
	copies    map[ident.Name]*copying
	exports   []export            // snapshots that comparisons have not fetched yet
	fkeys     *semaphore.Weighted // held by the copier that drops foreign keys
	chunks    chunking
	strange   map[string]bool // event types already warned of
	waiting   string          // what is missing, as last logged
	noReplica bool            // session_replication_role was refused
	failing   bool            // cur_error is set
	stuck     bool            // by the batch at the position, which must pass before it is cleared
	trouble   trouble         // how long, where a table is to blame
	position  pgq.Tick
	ahead     *pgq.Snapshot // what rows have seen that are newer; nil: none are
	settled   pgq.TickID    // position that is durable at the subscriber
	settledAt time.Time
	acked     pgq.TickID // position that the provider knows
	ackedAt   time.Time
	tendedAt  time.Time
	sweptAt   time.Time
	parkedAt  time.Time // when parked tables were looked after
	asideAt   time.Time // when a table could not be set aside
	notedAt   time.Time // progress of the copies
}

func (w *Worker) idle() time.Duration { return cmp.Or(w.Idle, time.Second) }
func (w *Worker) parallelCopies() int { return cmp.Or(max(w.ParallelCopies, 0), 4) }
func (w *Worker) mergeEvents() int64  { return cmp.Or(w.MergeEvents, 100_000) }
func (w *Worker) fetchAhead() int64   { return int64(cmp.Or(w.FetchAhead, 4<<20)) }
func (r *run) ring()                  { poke(r.wake) }

// poke makes sure that c holds a value.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// step is one round of the loop: get hold of both sides if they are not held,
// look after copies, apply one batch, or see to what is due when there is none.
func (r *run) step(ctx context.Context) (more bool, err error) {
	if r.fetch == nil {
		err := r.open(ctx)
		if errors.Is(err, errMissing) {
			r.wait(err)
			return false, nil
		}
		if err != nil {
			return false, r.broken(ctx, err)
		}
		r.waiting = ""
	}
	if err := r.tend(ctx); err != nil {
		return false, r.broken(ctx, err)
	}
	select {
	case p := <-r.fetch.parts:
		return r.take(ctx, p)
	default:
	}
	if err := r.rest(ctx); err != nil {
		return false, r.broken(ctx, err)
	}
	return false, nil
}

// take applies the batch that begins with a part.
func (r *run) take(ctx context.Context, p part) (more bool, err error) {
	if err = r.batch(ctx, p); err == nil {
		return true, nil
	}
	r.stuck = r.stuck || refusedHere(err)
	again := r.leaveOut(ctx, err)
	if err = r.broken(ctx, err); again {
		return true, nil // at once, without the table
	}
	return false, err
}

// errMissing: something has to be done by hand, or by another worker's end,
// before work can begin. It is waited for, not counted as a failure.
var errMissing = errors.New("waiting")

func missing(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMissing, fmt.Sprintf(format, args...))
}

// wait says once what is waited for.
func (r *run) wait(err error) {
	if text := err.Error(); text != r.waiting {
		r.waiting = text
		r.Logger().Info(text)
	}
}

// rest does what is due at a moment without work: sequences, position, ack,
// and the slow tasks.
func (r *run) rest(ctx context.Context) error {
	now := time.Now()
	if now.Sub(r.mirror.readAt) >= time.Second {
		if err := r.mirrorIdle(ctx); err != nil {
			return err
		}
	}
	if err := r.report(ctx); err != nil {
		return err
	}
	if r.ahead != nil && !r.position.Snapshot.Covers(*r.ahead) {
		if err := askForTick(ctx, r.prov, r.Queue, r.position, r.bell); err != nil {
			return err
		}
	}
	if now.Sub(r.sweptAt) >= sweepPause {
		return r.sweep(ctx)
	}
	return nil
}

// report settles and acknowledges the position: at most once a second, and
// often enough to be known alive.
func (r *run) report(ctx context.Context) error {
	due := time.Second
	if r.position.ID == r.settled {
		due = set.SignOfLife
	}
	if time.Since(r.settledAt) >= due || r.failing && !r.stuck {
		if err := r.settle(ctx, nil); err != nil {
			return err
		}
	}
	due = time.Second
	if r.settled == r.acked {
		due = set.SignOfLife
	}
	if time.Since(r.ackedAt) >= due {
		return r.ack(ctx)
	}
	return nil
}

// refusedHere tells an error of a batch from one of the way to it.
func refusedHere(err error) bool {
	var bad *apply.Error
	return errors.As(err, &bad)
}

// broken takes down what an error leaves in doubt, writes the error where
// `status` finds it, and passes it on to the loop.
func (r *run) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	r.closeProvider()
	r.tables.forget()
	switch {
	case errors.Is(err, set.ErrFenced):
		r.stopCopies()
		r.closeSubscriber()
		r.fence.Epoch = 0
	case errors.Is(err, set.ErrClaimLost):
		r.fence.Epoch = 0 // the next step claims anew, and is told who has it
	case r.sub != nil && !r.sub.IsClosed() && r.fence.Epoch != 0:
		r.noteError(ctx, err)
	}
	if r.sub != nil && r.sub.IsClosed() {
		r.closeSubscriber()
	}
	return err
}

// sayGoodbye tells the provider how far the worker has come. The next start
// does without.
func (r *run) sayGoodbye(ctx context.Context) {
	err := r.settle(ctx, nil)
	if err == nil {
		err = r.ack(ctx)
	}
	if err != nil {
		r.Logger().Debug("the last position was not told", "error", err)
	}
}

// failed is told each error that the loop will retry.
func (r *run) failed(err error, next time.Duration) {
	args := []any{"error", err, "retry_in", next.Round(time.Millisecond)}
	if h := hint.Of(err); h != "" {
		args = append(args, "hint", h)
	}
	var bad *apply.Error
	if errors.As(err, &bad) {
		args = append(args, "table", bad.Table.String(), "event", bad.Event, "key", bad.Key, "statement", bad.Statement)
	}
	r.Logger().Error("replication stopped", args...)
}

// noteError writes err into pgq_node.local_state. The next batch that is
// applied clears it.
func (r *run) noteError(ctx context.Context, err error) {
	text := errorText(err)
	if e := set.WriteError(ctx, r.sub, r.fence, r.fence.Consumer, text, hint.Of(err)); e != nil {
		r.Logger().Warn("cannot write the error down", "error", e)
		r.closeSubscriber()
		return
	}
	r.failing = true
}

func (r *run) close() {
	r.stopCopies()
	r.closeExports()
	r.closeProvider()
	r.closeSubscriber()
}

func (r *run) closeProvider() {
	if r.fetch != nil {
		r.bell.unsubscribe(r.fetch.wake)
		r.fetch.stop()
		r.fetch = nil
	}
	if r.listen != nil {
		r.listen.stop()
		r.listen = nil
	}
	set.CloseConn(&r.prov)
	r.reader = nil
}

func (r *run) closeSubscriber() { set.CloseConn(&r.sub) }
