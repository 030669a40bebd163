package londiste

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
)

// Gauge tells how far a subscriber may be behind, for those who ask many times a
// second: two short statements over sessions that stay open. One goroutine at a
// time uses it.
type Gauge struct {
	Pair set.Pair

	prov, sub *pgx.Conn
}

// Lag is how old the rows of a subscriber may be.
type Lag struct {
	At     time.Time     // of the look, by this machine's clock
	Behind time.Duration // at most so far behind the provider then
	Parked []string      // tables that the worker leaves aside: they are behind farther
}

// Now is how old the rows may be at a time: the provider may have changed at any
// moment since the look.
func (l Lag) Now(now time.Time) time.Duration { return l.Behind + max(now.Sub(l.At), 0) }

// tickerPatience is how long after a queue's idle period its next tick may come
// before its ticker is taken for dead.
const tickerPatience = 5 * time.Second

// Look asks the provider, then the subscriber: what one does between the two
// statements makes the lag look greater, never less. It is an error where the lag
// cannot be told.
func (g *Gauge) Look(ctx context.Context) (Lag, error) {
	lag, err := g.look(ctx)
	if err != nil && (g.prov == nil || g.sub == nil || g.prov.IsClosed() || g.sub.IsClosed()) {
		g.Close()
	}
	return lag, err
}

// Close ends the sessions; the next look opens them anew.
func (g *Gauge) Close() {
	set.CloseConn(&g.prov)
	set.CloseConn(&g.sub)
}

func (g *Gauge) look(ctx context.Context) (Lag, error) {
	var err error
	if g.prov == nil {
		if g.prov, err = g.Pair.ConnectProvider(ctx); err != nil {
			return Lag{}, err
		}
	}
	if g.sub == nil {
		if g.sub, err = g.Pair.ConnectSubscriber(ctx); err != nil {
			return Lag{}, err
		}
	}
	lag := Lag{At: time.Now()}
	end, err := g.end(ctx)
	if err != nil {
		return Lag{}, err
	}
	at, err := g.position(ctx, &lag)
	if err != nil {
		return Lag{}, err
	}
	if !end.all || at.tick != end.tick || !at.applied.Equal(end.made) {
		lag.Behind = max(end.now.Sub(at.applied), 0)
	}
	return lag, nil
}

// queueEnd is the last tick of a queue, by the provider's clock.
type queueEnd struct {
	tick      int64
	made, now time.Time
	all       bool // there is nothing after it, for all that can be seen
}

// The ticker makes a tick for events of a transaction that was open at the last
// one, which no sequence tells of. So where it has missed the queue's idle period,
// or is paused, the last tick is all that is known.
func (g *Gauge) end(ctx context.Context) (e queueEnd, err error) {
	err = g.prov.QueryRow(ctx, `
		select t.tick_id, t.tick_time, clock_timestamp(),
			coalesce(pg_sequence_last_value(to_regclass(q.queue_event_seq)) <= t.tick_event_seq, t.tick_event_seq <= 1, false)
			and not q.queue_ticker_paused
			and t.tick_time + q.queue_ticker_idle_period + $2::float8 * interval '1 second' > clock_timestamp()
		from pgq.queue q, lateral (
			select * from pgq.tick where tick_queue = q.queue_id order by tick_queue desc, tick_id desc limit 1) t
		where q.queue_name = $1`, g.Pair.Queue, tickerPatience.Seconds()).Scan(&e.tick, &e.made, &e.now, &e.all)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = hint.With(fmt.Errorf("queue %s is not at the provider, or has no tick", g.Pair.Queue), "run: londiste INI provider install")
	case err != nil:
		err = fmt.Errorf("provider: read the end of queue %s: %w", g.Pair.Queue, err)
	}
	return e, err
}

// stand is where a subscriber stands.
type stand struct {
	tick    int64
	applied time.Time // when the tick was made, by the provider's clock
}

func (g *Gauge) position(ctx context.Context, lag *Lag) (stand, error) {
	var at stand
	var applied *time.Time
	err := g.sub.QueryRow(ctx, `
		select s.last_tick_id, w.last_tick_time, array(
			select p.table_name from skytools.parked_table p
			where p.queue_name = s.queue_name and (p.error <> '' or p.given_up is not null) order by 1)
		from pgq_node.local_state s left join skytools.worker_state w using (queue_name, consumer_name)
		where s.queue_name = $1 and s.consumer_name = $2`, g.Pair.Queue, g.Pair.ConsumerName()).Scan(&at.tick, &applied, &lag.Parked)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return at, hint.With(fmt.Errorf("consumer %s has no position at the subscriber yet", g.Pair.ConsumerName()), "start it: londiste INI replay -d")
	case err != nil:
		return at, fmt.Errorf("subscriber: read the position of %s: %w", g.Pair.ConsumerName(), err)
	case applied == nil:
		return at, hint.With(fmt.Errorf("consumer %s has a position of an unknown time", g.Pair.ConsumerName()), "replay writes it: londiste INI replay -d")
	}
	at.applied = *applied
	return at, nil
}
