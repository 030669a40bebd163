package ticker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
)

// Ticker makes the ticks of all queues of one database. It looks at the
// queues' event sequences, which costs no write, and ticks a queue when
//
//	its sequence moved      there are, or will be, new events
//	a transaction was late  it had drawn its numbers before the last tick and
//	                        has ended since: the sequence will not tell of it
//	the queue is idle       queue_ticker_idle_period has passed
//
// Every DueDelay it moves the events that are due, delayed ones and retries, into
// their queues.
//
// Each tick is a transaction of its own; the notification follows in another,
// so that who is woken finds the tick. Of several tickers of one database one
// leads and the others stand by; one of them leads within two seconds when the
// leader is gone (leader.go).
//
// It waits, and says so, while the server is down, is a standby, or has no
// PgQ of ours.
type Ticker struct {
	Database     *pgx.ConnConfig
	Log          *slog.Logger
	LoopDelay    time.Duration // period of looking; 0: 2 ms while events came in the last second, else 50 ms
	TickInterval time.Duration // least time between two ticks of a queue; default 10 ms
	// DueDelay is the period of looking for delayed events and retries that are
	// due, so much later they come at most; default 1 s.
	DueDelay  time.Duration
	RestDelay time.Duration   // period of looking when nothing came for a minute; 0: the same
	Lifetime  time.Duration   // of a connection; 0: until it fails
	Stats     *Stats          // what it counts in; nil: one of its own
	Stop      <-chan struct{} // closed: leave after the round; may be nil
	// GiveUp makes Run return what it would wait for, a [NotReady] among it,
	// to a caller that comes back later.
	GiveUp bool

	conn     *pgx.Conn
	pooled   bool          // the session is another one in each transaction
	leads    atomic.Bool   // this one ticks
	beside   bool          // the queues are the real extension's
	wait     notice.Notice // for the database
	behind   int           // the leader's process that the log has named; 0: this one leads
	searchAt time.Time     // when the leader is looked for again
	heard    time.Time     // when the server last answered
	watched  time.Time     // when other tickers were last looked for
	trouble  notice.Notice // with single queues
	queues   map[int32]*ticking
	since    time.Time // when conn was made
	moved    time.Time // when a sequence was last seen to move
	due      time.Time // when events that are due were last looked for
	missed   int       // looks in a row that found something dropped
}

const (
	busyDelay  = 2 * time.Millisecond
	quietDelay = 50 * time.Millisecond
	busyFor    = time.Second
	restAfter  = time.Minute
	waitDelay  = time.Second // between looks at a database that cannot be ticked

	tickLockWait = time.Second // for the tick lock of one queue
)

// ticking is what the ticker knows of one queue.
type ticking struct {
	queue  string
	reader *pgq.Reader
	begun  bool // there was a tick for the sequence's first number
	known  bool // the fields below are
	last   pgq.Tick
	found  time.Time // our clock, when last was read
	// refused is a sequence value that a tick was asked for in vain: ours and
	// the tick function's reading of the sequence differ, or another ticker
	// was first.
	refused int64
	asked   time.Time // our clock, when a tick was last asked for
	// Transactions below late may have drawn event numbers before the last
	// tick; those that probed does not see were still open when we looked.
	probed pgq.Snapshot
	late   pgq.TxID
}

// Run ticks until ctx ends or Stop is closed.
func (t *Ticker) Run(ctx context.Context) error {
	t.Log = notice.Logger(t.Log)
	t.wait, t.trouble = notice.Notice{Log: t.Log}, notice.Notice{Log: t.Log}
	if t.Stats == nil {
		t.Stats = &Stats{Log: t.Log}
	}
	defer t.disconnect()
	l := loop.Loop{
		MaxBackoff: 2 * time.Second,
		Stop:       t.Stop,
		OnError: func(err error, _ time.Duration) {
			if !t.overslept(err) { // it slept too long, and connects again
				t.wait.Waiting("ticker waits: " + notice.Explain(err))
			}
		},
	}
	return l.Run(ctx, func(ctx context.Context) (bool, error) {
		delay, err := t.round(ctx)
		if err == nil {
			t.heard = time.Now()
			err = t.rest(ctx, delay)
		}
		if err != nil {
			t.disconnect()
			if t.GiveUp && !t.overslept(err) {
				err = loop.Permanent(err)
			}
		}
		return err == nil, err
	})
}

func (t *Ticker) disconnect() {
	if t.conn != nil {
		session.Close(context.Background(), t.conn)
	}
	t.conn, t.queues = nil, nil
	t.leads.Store(false)
}

// round looks at all queues once, if this ticker leads, and returns how long to
// wait.
func (t *Ticker) round(ctx context.Context) (time.Duration, error) {
	if t.conn != nil && t.Lifetime > 0 && time.Since(t.since) > t.Lifetime {
		t.disconnect()
	}
	if t.conn == nil {
		conn, err := session.Open(ctx, t.Database, tickLockWait)
		if err != nil {
			return 0, err
		}
		t.conn, t.queues, t.since = conn, map[int32]*ticking{}, time.Now()
		if reason, err := unready(ctx, conn); err != nil {
			return 0, err
		} else if reason != "" {
			if t.GiveUp {
				return 0, &NotReady{reason}
			}
			t.wait.Waiting("ticker waits: " + reason)
			t.disconnect()
			return waitDelay, nil
		}
		if err := t.enter(ctx); err != nil {
			return 0, err
		}
	}
	if leads, err := t.lead(ctx); err != nil || !leads {
		return standbyDelay, err
	}
	if err := t.watchOthers(ctx); err != nil {
		return 0, err
	}
	if err := t.bringDue(ctx); err != nil {
		return 0, err
	}
	seen, err := t.look(ctx)
	if err != nil {
		return 0, err
	}
	t.wait.Over("ticker works")
	var asked []*ticking
	var made []string
	for _, sight := range seen {
		q, done, err := t.visit(ctx, sight)
		switch {
		case err != nil && session.Outlived(err): // this queue's own trouble
			t.queues[sight.id].asked = time.Now().Add(waitDelay)
			if still, gone := t.exists(ctx, sight.id); gone == nil && still {
				t.trouble.Say(sight.name, fmt.Sprintf("queue %s is not ticked: %s", sight.name, notice.Explain(err)))
			}
			continue
		case err != nil:
			return 0, errors.Join(fmt.Errorf("tick queue %s: %w", sight.name, err), t.notify(ctx, made))
		case q != nil:
			asked = append(asked, q)
		}
		if done {
			made = append(made, sight.name)
		}
	}
	t.Stats.add(int64(len(made)), 0, 0)
	if err := t.notify(ctx, made); err != nil {
		return 0, err
	}
	for _, q := range asked {
		if err := q.refresh(ctx); err != nil {
			return 0, err
		}
	}
	return t.delay(), nil
}

func (t *Ticker) delay() time.Duration {
	switch {
	case t.LoopDelay > 0:
		return t.LoopDelay
	case time.Since(t.moved) < busyFor:
		return max(busyDelay, min(t.untilDue(), quietDelay))
	case t.RestDelay > 0 && time.Since(t.moved) > restAfter:
		return t.RestDelay
	}
	return quietDelay
}

// untilDue is how long no queue may be ticked: to look before is in vain.
func (t *Ticker) untilDue() time.Duration {
	if len(t.queues) == 0 {
		return 0
	}
	soonest := t.interval()
	for _, q := range t.queues {
		soonest = min(soonest, t.interval()-time.Since(q.asked))
	}
	return soonest
}

func (t *Ticker) interval() time.Duration {
	if t.TickInterval > 0 {
		return t.TickInterval
	}
	return 10 * time.Millisecond
}

// lookSQL reads each queue's sequence without a dynamic statement; one
// that was never used has no last value, nor has the tick sequence while a tick
// is forced. The snapshot ($1) is asked for only when somebody is waited for.
const lookSQL = `select queue_id, queue_name, queue_ticker_paused or queue_external_ticker,
		extract(epoch from queue_ticker_idle_period)::float8,
		coalesce(has_sequence_privilege((select nspowner from pg_namespace where nspname = 'skytools'),
			to_regclass(queue_tick_seq), 'usage'), true),
		queue_ticker_max_count, extract(epoch from queue_ticker_max_lag)::float8,
		exists (select from pg_extension where extname = 'pgq'),
		coalesce(pg_sequence_last_value(to_regclass(queue_event_seq)), 0),
		pg_sequence_last_value(to_regclass(queue_tick_seq)) is null, clock_timestamp(),
		case when $1 then txid_current_snapshot()::text end
	from pgq.queue order by queue_name`

// sighting is one queue as a round finds it.
type sighting struct {
	id       int32
	name     string
	silent   bool    // paused, or ticked from elsewhere
	idle     float64 // seconds
	ours     bool    // ticks are written by us, not by the extension in its own time:
	maxCount int64
	maxLag   float64 // seconds
	seq      int64
	forced   bool // pgq.force_tick was called
	now      time.Time
	snapshot *string
}

func (t *Ticker) look(ctx context.Context) ([]sighting, error) {
	waited := false
	for _, q := range t.queues {
		waited = waited || q.late > 0 || t.unsure(q)
	}
	rows, err := t.conn.Query(ctx, lookSQL, waited)
	if err != nil {
		return nil, err
	}
	seen, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s sighting, err error) {
		err = row.Scan(&s.id, &s.name, &s.silent, &s.idle, &s.ours, &s.maxCount, &s.maxLag, &t.beside, &s.seq, &s.forced, &s.now, &s.snapshot)
		return s, err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42P01" || pg.Code == "XX000") {
		// A queue dropped while we looked: it is gone at the next look, unless
		// all of PgQ is.
		reason, problem := unready(ctx, t.conn)
		if reason != "" {
			problem = errors.New(reason)
		}
		if t.missed++; problem == nil && t.missed > 3 {
			problem = err
		}
		return nil, problem
	}
	t.missed = 0
	for id, q := range t.queues {
		still := false
		for _, s := range seen {
			still = still || s.id == id && s.name == q.queue
		}
		if !still && err == nil {
			delete(t.queues, id)
		}
	}
	return seen, err
}

// exists tells whether a queue that gave an error was dropped meanwhile.
func (t *Ticker) exists(ctx context.Context, id int32) (still bool, err error) {
	err = t.conn.QueryRow(ctx, `select exists (select from pgq.queue where queue_id = $1)`, id).Scan(&still)
	return still, err
}

// visit asks for a tick of the queue if one is due. It returns the queue if it
// asked, and whether a tick came of it.
func (t *Ticker) visit(ctx context.Context, s sighting) (*ticking, bool, error) {
	q := t.queues[s.id]
	if q == nil {
		q = &ticking{queue: s.name, reader: pgq.NewReader(t.conn, s.name)}
		t.queues[s.id] = q
	}
	if s.silent {
		q.known, q.late = false, 0
		return nil, false, nil
	}
	// A sequence that began at 1, as the extension's do, does not move at its
	// first number: a tick before it has counted it already.
	first := q.known && !q.begun && s.seq == 1 && q.last.EventSeq == 1
	moved := !q.known || s.forced || s.seq != int64(q.last.EventSeq) && s.seq != q.refused
	if moved {
		t.moved = time.Now()
	}
	if t.unsure(q) {
		if err := q.extendLate(s.snapshot); err != nil {
			return nil, false, err
		}
	}
	if !moved && !first && s.now.Sub(q.last.Time).Seconds() < s.idle {
		late, err := q.lateEvents(ctx, s.snapshot)
		if err != nil || !late {
			return nil, false, err
		}
	}
	if time.Since(q.asked) < t.interval() || !s.due(q) {
		return nil, false, nil
	}
	q.asked = time.Now()
	made, err := t.tick(ctx, q, moved)
	q.begun = q.begun || first && made
	if moved && !made && s.ours {
		q.refused = s.seq
	} else {
		q.refused = -1
	}
	return q, made, err
}

// tick asks for a tick and tells whether one was made. moved tells whether it
// is for the sequence: only for late events must a tick come although the
// sequence stands.
func (t *Ticker) tick(ctx context.Context, q *ticking, moved bool) (bool, error) {
	var after, made *int64
	if !moved {
		id := int64(q.last.ID)
		after = &id
	}
	err := failpoint.Commit(failpoint.Tick, func() error {
		return t.conn.QueryRow(ctx, `select skytools.tick($1, $2)`, q.queue, after).Scan(&made)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42704" {
		return false, nil // dropped since the look
	}
	return made != nil, err
}

// payloadLimit is the server's: a NOTIFY's text must be shorter.
const payloadLimit = 8000

// notify wakes the consumers. Nothing is stored, so nothing is waited for.
func (t *Ticker) notify(ctx context.Context, queues []string) error {
	// Consumers of a queue with such a name have to look by themselves.
	queues = slices.DeleteFunc(queues, func(name string) bool { return len(name) >= payloadLimit })
	if len(queues) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("set local synchronous_commit = off")
	for _, name := range queues {
		fmt.Fprintf(&b, "; select pg_notify('%s', %s)", pgq.TickChannel, ident.Literal(name))
	}
	return failpoint.Commit(failpoint.Notify, func() error {
		_, err := t.conn.PgConn().Exec(ctx, b.String()).ReadAll()
		return err
	})
}
