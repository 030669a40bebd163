package londiste

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// moment is both databases as of one tick, each held by a session. The
// provider's snapshot is the tick's; the subscriber's is taken when all that
// is before the tick has been applied there, and nothing after it.
type moment struct {
	tick pgq.Tick
	prov *pgx.Conn // in the transaction whose snapshot the tick has
	lock *pgx.Conn // a second connection to the provider
	sub  *pgx.Conn // in a transaction under the snapshot of the worker
	work *pgx.Conn // a second connection to the subscriber

	provSnapshot, subSnapshot string
}

const (
	// barrierKeep is how long a barrier outlives whoever waits at it.
	barrierKeep  = 30 * time.Second
	barrierGap   = 5 * time.Second
	exportGap    = 20 * time.Millisecond
	quietGap     = 500 * time.Millisecond // between looks whether the worker is needed
	quietMost    = 100_000                // events that are looked through
	momentTrials = 5
)

// errMissed: the subscriber is past the tick, or its snapshot is gone.
var errMissed = errors.New("the subscriber went past the tick")

// openMoment waits for the worker to come to a new tick, for no longer than
// patience. A worker that passed without a snapshot, for it was started anew
// just then, gets another tick.
func openMoment(ctx context.Context, p *set.Pair, patience time.Duration) (*moment, error) {
	deadline := time.Now().Add(patience)
	for trial := 1; ; trial++ {
		m, err := tryMoment(ctx, p, deadline, patience)
		if err == nil || !errors.Is(err, errMissed) || trial == momentTrials {
			return m, err
		}
	}
}

func tryMoment(ctx context.Context, p *set.Pair, deadline time.Time, patience time.Duration) (m *moment, err error) {
	m = &moment{}
	defer func() {
		if err != nil {
			m.close()
			m = nil
		}
	}()
	if err = within(ctx, deadline, patience, func(ctx context.Context) error { return m.connect(ctx, p) }); err != nil {
		return m, err
	}
	tx, err := m.prov.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return m, fmt.Errorf("provider: %w", err)
	}
	id, err := pgq.SetBarrier(ctx, m.lock, tx, p.Queue, pgq.Barrier{Kind: set.BarrierKind, Consumer: p.ConsumerName()}, barrierKeep)
	if err != nil {
		return m, err
	}
	if err = tx.QueryRow(ctx, `select pg_export_snapshot()`).Scan(&m.provSnapshot); err != nil {
		return m, fmt.Errorf("provider: %w", err)
	}
	if m.tick, err = pgq.NewReader(m.lock, p.Queue).Tick(ctx, id); err != nil {
		return m, err
	}
	if err = m.meet(ctx, p, deadline, patience); err != nil {
		return m, err
	}
	_, err = pgq.KeepBarrier(ctx, m.lock, p.Queue, id, 0)
	return m, err
}

func (m *moment) connect(ctx context.Context, p *set.Pair) (err error) {
	for _, c := range []struct {
		conn **pgx.Conn
		open func(context.Context) (*pgx.Conn, error)
	}{{&m.prov, p.ConnectProvider}, {&m.lock, p.ConnectProvider}, {&m.sub, p.ConnectSubscriber}, {&m.work, p.ConnectSubscriber}} {
		if *c.conn, err = c.open(ctx); err != nil {
			return err
		}
		if _, err = (*c.conn).Exec(ctx, set.PinSQL+`; set idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
	}
	return nil
}

func (m *moment) close() {
	for _, c := range []**pgx.Conn{&m.prov, &m.lock, &m.sub, &m.work} {
		set.CloseConn(c)
	}
}

// meet waits until the subscriber is at the tick.
func (m *moment) meet(ctx context.Context, p *set.Pair, deadline time.Time, patience time.Duration) error {
	looked, kept := time.Now(), time.Now()
	var position int64
	for {
		found, err := m.fetch(ctx, p)
		if found || err != nil {
			return err
		}
		if err := m.work.QueryRow(ctx, `select coalesce((select last_tick_id from pgq_node.local_state
			where queue_name = $1 and consumer_name = $2), -1)`, p.Queue, p.ConsumerName()).Scan(&position); err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
		switch {
		case position > int64(m.tick.ID):
			return errMissed
		case position < 0:
			return hint.With(errors.New("nothing has been replicated to the subscriber yet"), "start the worker: londiste INI replay -d")
		}
		if time.Since(looked) > quietGap {
			if met, err := m.quiet(ctx, p); met || err != nil {
				return err
			}
			looked = time.Now()
		}
		if time.Now().After(deadline) {
			break
		}
		if time.Since(kept) > barrierGap {
			if _, err := pgq.KeepBarrier(ctx, m.lock, p.Queue, m.tick.ID, barrierKeep); err != nil {
				return err
			}
			kept = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(exportGap):
		}
	}
	return hint.With(fmt.Errorf("the subscriber is at tick %d and did not come to tick %d within %s", position, m.tick.ID, patience),
		"changes wait to be applied: start the worker (londiste INI replay -d), or let it catch up (londiste INI status) and give it more time with --timeout")
}

// fetch takes the snapshot over that the worker has exported, if it has.
func (m *moment) fetch(ctx context.Context, p *set.Pair) (bool, error) {
	var id string
	err := m.work.QueryRow(ctx, `select snapshot_id from skytools.barrier_snapshot
		where queue_name = $1 and consumer_name = $2 and tick_id = $3`, p.Queue, p.ConsumerName(), int64(m.tick.ID)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = m.under(ctx, id)
	}
	if state := set.SQLState(err); state == "22023" || state == "42704" {
		return false, errMissed // the worker has ended, and its snapshot with it
	}
	if err != nil {
		return false, fmt.Errorf("subscriber: %w", err)
	}
	// The worker's session is not needed any more.
	err = failpoint.Commit(failpoint.Fetch, func() error {
		_, err := m.work.Exec(ctx, `delete from skytools.barrier_snapshot
			where queue_name = $1 and consumer_name = $2 and tick_id = $3`, p.Queue, p.ConsumerName(), int64(m.tick.ID))
		return err
	})
	return err == nil, err
}

// under begins the subscriber's transaction, under a snapshot or, with none, a
// new one, and exports what it sees.
func (m *moment) under(ctx context.Context, snapshot string) error {
	tx, err := m.sub.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	if snapshot != "" {
		_, err = tx.Exec(ctx, `set transaction snapshot '`+snapshot+`'`)
	}
	if err == nil {
		err = tx.QueryRow(ctx, `select pg_export_snapshot()`).Scan(&m.subSnapshot)
	}
	if err != nil {
		_ = tx.Rollback(ctx)
	}
	return err
}

// quiet takes a snapshot without the worker where that does: nothing lies
// between the position that the snapshot shows and the tick. Rows and position
// are written in one transaction, so it does not matter whether a worker runs.
func (m *moment) quiet(ctx context.Context, p *set.Pair) (bool, error) {
	if err := m.under(ctx, ""); err != nil {
		return false, fmt.Errorf("subscriber: %w", err)
	}
	position, known, err := set.PositionOf(ctx, m.sub, p.Queue, p.ConsumerName())
	if err == nil && known && position <= m.tick.ID {
		err = m.nothingBetween(ctx, p, position)
		if err == nil {
			return true, nil
		}
	}
	if _, e := m.sub.Exec(ctx, "rollback"); e != nil {
		return false, fmt.Errorf("subscriber: %w", e)
	}
	if errors.Is(err, errBetween) || errors.Is(err, pgq.ErrTickNotFound) {
		err = nil
	}
	return false, err
}

var errBetween = errors.New("there are events between")

func (m *moment) nothingBetween(ctx context.Context, p *set.Pair, position pgq.TickID) error {
	if position == m.tick.ID {
		return nil
	}
	conn, err := p.ConnectProvider(ctx) // which an event ends
	if err != nil {
		return err
	}
	defer set.CloseConn(&conn)
	if err := set.PrepareProvider(ctx, conn); err != nil {
		return err
	}
	reader := pgq.NewReader(conn, p.Queue)
	at, err := reader.Tick(ctx, position)
	if err != nil {
		return err
	}
	if m.tick.EventSeq-at.EventSeq > quietMost {
		return errBetween
	}
	return reader.Stream(ctx, at, m.tick, func(*pgq.RawEvent) error { return errBetween })
}
