package pgq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
)

// Handler works on one batch. It reads all of it:
//
//	for ev, err := range batch.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//	return nil
//
// Nil ends the batch. After an error it is delivered again, whole, after a
// while that grows from try to try; an error made by [Permanent] ends
// [Consumer.Run]. So does nil from a handler that has not read the batch to its
// end count as an error, [ErrUnread].
type Handler func(ctx context.Context, batch *Batch) error

// Consumer reads one queue under one name and gives each batch to a handler.
// One process at a time is to run a consumer: a second would be given the same
// batch ([Consumer.RunTx] writes it once even then).
//
// It has one connection of its own, which it makes anew whenever it breaks. It
// keeps nothing in the session but LISTEN, and that only where the connection
// goes to the server itself: behind pgbouncer, in any mode, it looks for ticks
// by itself, every 100 ms.
type Consumer struct {
	Database *pgx.ConnConfig // the queue's
	Queue    string
	Name     string
	// Register has Run register the consumer, at the queue's last tick, where
	// it is not registered.
	Register bool

	// Member makes it a member of the cooperative consumer Name: each batch goes
	// to one of the members, of which there may be many, in as many processes.
	// Members register themselves. There is no order between batches of two
	// members unless skytools.coop_set_key has said by what the events are
	// divided; then those of one key stay in their order.
	Member string
	// DeadAfter is how long a member may be silent before another one is given
	// its batch; it must be longer than the longest batch takes. 0: for ever.
	DeadAfter time.Duration

	// With MinCount or MinInterval no batch comes before it spans so many events
	// or so much time, by the event sequence and the ticks' times: fewer wait,
	// for ever if no more are written. With MinLag its end is at least that old.
	// Zero: each batch ends at the next tick, or later where many wait.
	MinCount    int
	MinInterval time.Duration
	MinLag      time.Duration

	// Poll is the longest time between two looks for a tick; default 1 s, and
	// 100 ms where no notification comes.
	Poll     time.Duration
	NoListen bool // do without notifications

	// Trace, where it is set, returns ctx with the trace context that
	// [Producer.Trace] sent along; see [Batch.Context].
	Trace func(ctx context.Context, carrier string) context.Context
	// PositionTable is the table of the target in which [Consumer.RunTx] keeps
	// the position; default [PositionTable].
	PositionTable string

	Log  *slog.Logger
	Stop <-chan struct{} // closed: leave after the batch in hand; may be nil
}

// Run gives batches to handle, one after another, until ctx ends or Stop is
// closed; both are no error. The end of ctx reaches into the handler, whose
// batch is then delivered again by the next Run; closing Stop lets it finish.
//
// Each event is delivered at least once: when the process dies between the
// handler's end and the batch's, the next Run delivers the batch again. So does
// this one where a batch of tens of thousands of events turns out, while it is
// read, not to lie in the order of its events: the handler is told by
// [ErrOutOfOrder] and gets it once more, sorted. See [Consumer.RunTx] for exactly
// once.
//
// Lost connections, a server that is down and errors of the handler are logged
// and tried again. Run returns [ErrNotInstalled], [ErrQueueNotFound],
// [ErrConsumerNotFound] and [ErrPositionLost], a connection that the server
// refuses at the very first, and what the handler marks as [Permanent].
func (c *Consumer) Run(ctx context.Context, handle Handler) error {
	return c.run(ctx, func(ctx context.Context, b *Batch) error {
		if err := handle(ctx, b); err != nil {
			return err
		}
		return b.whole()
	})
}

// run is Run with what delivers a batch: it returns nil when the handler is
// done with it, now or at an earlier time.
func (c *Consumer) run(ctx context.Context, deliver Handler) error {
	idle, wakeUp := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.Stop:
			wakeUp()
		case <-idle.Done():
		}
	})
	defer watch.Wait()
	defer wakeUp()

	r := &consuming{Consumer: c, deliver: deliver, idle: idle, wait: notice.Notice{Log: notice.Logger(c.Log)}}
	defer r.disconnect()
	l := loop.Loop{
		MaxBackoff: 20 * time.Second,
		Stop:       c.Stop,
		OnError: func(err error, _ time.Duration) {
			r.wait.Waiting("consumer " + c.Name + " waits: " + notice.Explain(err))
		},
	}
	return l.Run(ctx, func(ctx context.Context) (bool, error) { return true, r.step(ctx) })
}

// consuming is a consumer at work.
type consuming struct {
	*Consumer
	deliver Handler
	idle    context.Context // of waiting: ends with Stop, too
	wait    notice.Notice

	conn       *pgx.Conn
	reader     *Reader // over conn
	pooled     bool    // no LISTEN there
	can        abilities
	registered bool
	connected  bool // once
	rung       bool // a tick was notified since the last look
	quiet      bool // none was for as long as we waited
	behind     bool // the last look found a batch
	// done is a batch that the handler has done and whose end the queue has not
	// confirmed. If it is delivered again, only its end is to be told again.
	done *Batch
}

const (
	pollListening = time.Second
	pollPooled    = 100 * time.Millisecond
)

// step does the next batch, or waits for one.
func (r *consuming) step(ctx context.Context) error {
	if r.conn == nil || r.conn.IsClosed() {
		if err := r.connect(ctx); err != nil {
			return err
		}
	}
	b, err := r.open(ctx)
	if errors.Is(err, ErrBusy) { // its other process has what there is
		b, err = nil, nil
	}
	if err == nil && b == nil {
		r.wait.Over("consumer " + r.Name + " works")
		return r.await()
	}
	if err == nil {
		err = r.work(ctx, b)
	}
	if b != nil && errors.Is(b.err, ErrOutOfOrder) {
		r.wait.Log.Info(fmt.Sprintf("queue %s, batch %d of consumer %s does not lie in order: it is delivered again, sorted", r.Queue, b.ID, r.Name))
		return nil
	}
	if err == nil {
		r.wait.Over("consumer " + r.Name + " works")
	}
	return err
}

func (r *consuming) work(ctx context.Context, b *Batch) error {
	if r.done == nil || r.done.ID != b.ID {
		if err := r.deliver(ctx, b); err != nil {
			return err
		}
		r.done = b
	}
	ended, err := r.done.finish(ctx, r.conn, r.can)
	if errors.Is(err, ErrNotInstalled) {
		return loop.Permanent(err)
	}
	if err != nil {
		return err
	}
	if !ended {
		r.wait.Log.Warn(fmt.Sprintf("queue %s, batch %d of consumer %s is another process's, which does it again or has done it", r.Queue, b.ID, r.Name))
	}
	r.done = nil
	return nil
}

func (r *consuming) disconnect() {
	if r.conn != nil {
		session.Close(context.Background(), r.conn)
	}
	r.conn = nil
}

// connect makes the session. Nothing is prepared in it, and no setting made.
func (r *consuming) connect(ctx context.Context) error {
	r.disconnect()
	cfg := r.Database.Copy()
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		if n.Channel == TickChannel && n.Payload == r.Queue {
			r.rung = true
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		refusal := !r.connected && hint.Refused(err)
		if err = hint.Connect(err, &cfg.Config, "database", "the connection string"); refusal {
			return loop.Permanent(err)
		}
		return err
	}
	r.conn, r.connected = conn, true
	if err := r.greet(ctx); err != nil {
		r.disconnect()
		return err
	}
	return nil
}

// greet finds out what the connection leads to. A pooler gives its clients
// numbers of its own in place of the server process's.
func (r *consuming) greet(ctx context.Context) error {
	var pid uint32
	var installed bool
	err := r.conn.QueryRow(ctx, `select pg_backend_pid(), to_regproc('pgq.next_batch_info') is not null,
			to_regprocedure('skytools.event_retry(bigint,bigint[],interval)') is not null,
			to_regproc('skytools.event_dead') is not null, to_regproc('pgq_coop.finish_batch') is not null,
			to_regproc('skytools.coop_filter') is not null`).
		Scan(&pid, &installed, &r.can.manyRetries, &r.can.deadLetters, &r.can.members, &r.can.keys)
	if err != nil {
		return err
	}
	if !installed || r.Member != "" && !r.can.members {
		return loop.Permanent(hint.With(fmt.Errorf("database %s: %w", r.conn.Config().Database, ErrNotInstalled),
			"run \"pgqadm INI install\""))
	}
	if r.can.calls, _, err = mayRead.callsOn(ctx, r.conn, r.Queue); err != nil {
		return err
	}
	if r.Register && !r.registered && r.Member == "" {
		if _, err := Register(ctx, r.conn, r.Queue, r.Name); errors.Is(err, ErrQueueNotFound) {
			return loop.Permanent(err)
		} else if err != nil {
			return err
		}
		r.registered = true
	}
	r.rung, r.quiet, r.behind = false, false, false
	if r.pooled = pid != r.conn.PgConn().PID(); r.pooled || r.NoListen {
		return nil
	}
	_, err = r.conn.Exec(ctx, "listen "+TickChannel)
	return err
}

// await waits for a tick: until one is notified, or for the time of a poll.
func (r *consuming) await() error {
	poll, listens := r.Poll, !r.pooled && !r.NoListen
	switch {
	case poll > 0:
	case listens:
		poll = pollListening
	default:
		poll = pollPooled
	}
	ctx, cancel := context.WithTimeout(r.idle, poll)
	defer cancel()
	for listens && !r.rung && ctx.Err() == nil {
		if err := r.conn.PgConn().WaitForNotification(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if !listens {
		<-ctx.Done()
	}
	r.quiet = !r.rung
	return nil
}
