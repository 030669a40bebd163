package londiste

import (
	"context"
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
	At      time.Time     // of the look, by this machine's clock
	Behind  time.Duration // at most so far behind the provider then
	Parked  []string      // tables that the worker leaves aside: they are behind farther
	Copying []string      // tables whose rows, or a part of them, have still to come
}

// Now is how old the rows may be at a time: the provider may have changed at any
// moment since the look.
func (l Lag) Now(now time.Time) time.Duration { return l.Behind + max(now.Sub(l.At), 0) }

// Look asks the provider, then the subscriber: what one does between the two
// statements makes the lag look greater, never less. It is an error where the lag
// cannot be told; a [ProviderError] where the subscriber answers all the same, and
// then Parked and Copying are what it told. A provider that hangs gets half of the
// time that ctx leaves.
func (g *Gauge) Look(ctx context.Context) (Lag, error) {
	lag, err := g.look(ctx)
	for _, conn := range []**pgx.Conn{&g.prov, &g.sub} {
		if *conn != nil && (*conn).IsClosed() {
			set.CloseConn(conn)
		}
	}
	return lag, err
}

// Close ends the sessions; the next look opens them anew.
func (g *Gauge) Close() {
	set.CloseConn(&g.prov)
	set.CloseConn(&g.sub)
}

func (g *Gauge) look(ctx context.Context) (Lag, error) {
	half, cancel := halfOf(ctx)
	defer cancel()
	var end QueueEnd
	var provErr, err error
	if g.prov == nil {
		g.prov, provErr = g.Pair.ConnectProvider(half)
	}
	if g.sub == nil {
		if g.sub, err = g.Pair.ConnectSubscriber(ctx); err != nil {
			return Lag{}, err
		}
	}
	lag := Lag{At: time.Now()}
	if provErr == nil {
		end, provErr = ReadQueueEnd(half, g.prov, g.Pair.Queue)
	}
	at, err := ReadStanding(ctx, g.sub, g.Pair.Queue, g.Pair.ConsumerName())
	if err != nil {
		return Lag{}, err
	}
	lag.Parked, lag.Copying = at.Parked, at.Copying
	if provErr != nil {
		return lag, &ProviderError{provErr}
	}
	lag.Behind, err = behind(&end, &at, g.Pair.ConsumerName())
	return lag, err
}

// halfOf ends after half of the time that ctx leaves.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, is := ctx.Deadline(); is {
		return context.WithTimeout(ctx, time.Until(deadline)/2)
	}
	return context.WithCancel(ctx)
}

// behind is how old the rows of who stands there may be, by the provider's clock
// alone.
func behind(end *QueueEnd, at *Standing, consumer string) (time.Duration, error) {
	switch {
	case at.TickTime.IsZero():
		return 0, hint.With(fmt.Errorf("consumer %s has a position of an unknown time", consumer), "replay writes it: londiste INI replay -d")
	case at.Provider != "" && at.Provider != end.Server:
		return 0, hint.With(fmt.Errorf("consumer %s follows a queue of another server than the provider's", consumer),
			"provider_db has to be the one that its replay reads: is the ini an old one?")
	// A ticker that has missed the queue's idle period, or is paused, may have
	// been away when something was written: the last tick is all that is known.
	case end.Ticking && end.InTick(&end.Tick) && at.Position == end.Tick.ID && at.TickTime.Equal(end.Tick.Time):
		return 0, nil
	// One that is past the last tick has come there since the provider was asked.
	case at.Position <= end.Tick.ID && at.TickTime.After(end.Clock):
		return 0, hint.With(fmt.Errorf("the provider's clock is %s before the time of tick %d", at.TickTime.Sub(end.Clock).Round(time.Millisecond), at.Position),
			"it was set back: the lag can be told when the subscriber has come to a tick from after that")
	}
	return max(end.Clock.Sub(at.TickTime), 0), nil
}

// ProviderError is that of a look at which the provider failed, and the
// subscriber did not: its rows are as old as they were, and growing older.
type ProviderError struct{ Err error }

// Error is the text of the provider's error.
func (e *ProviderError) Error() string { return e.Err.Error() }

// Unwrap is the provider's error.
func (e *ProviderError) Unwrap() error { return e.Err }
