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
			return Lag{}, &providerError{err}
		}
	}
	if g.sub == nil {
		if g.sub, err = g.Pair.ConnectSubscriber(ctx); err != nil {
			return Lag{}, err
		}
	}
	lag := Lag{At: time.Now()}
	end, err := ReadQueueEnd(ctx, g.prov, g.Pair.Queue)
	if err != nil {
		return Lag{}, &providerError{err}
	}
	at, err := ReadStanding(ctx, g.sub, g.Pair.Queue, g.Pair.ConsumerName())
	if err != nil {
		return Lag{}, err
	}
	if at.TickTime.IsZero() {
		return Lag{}, hint.With(fmt.Errorf("consumer %s has a position of an unknown time", g.Pair.ConsumerName()), "replay writes it: londiste INI replay -d")
	}
	lag.Parked, lag.Copying = at.Parked, at.Copying
	// A ticker that has missed the queue's idle period, or is paused, may have
	// been away when something was written: the last tick is all that is known.
	current := end.Ticking && end.InTick(&end.Tick) && at.Position == end.Tick.ID && at.TickTime.Equal(end.Tick.Time)
	if !current {
		lag.Behind = max(end.Clock.Sub(at.TickTime), 0)
	}
	return lag, nil
}

// providerError is that of a look that did not come to the subscriber.
type providerError struct{ err error }

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }

// ProviderFailed tells that a look failed at the provider, and that nothing is
// known of the subscriber.
func ProviderFailed(err error) bool {
	_, is := errors.AsType[*providerError](err)
	return is
}
