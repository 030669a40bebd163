// Package loop runs a daemon's work: one step, one loop.
//
// A daemon is a function that does the next piece of work and says whether
// more is waiting. The loop calls it again at once while there is more, sleeps
// when there is none, and after an error waits longer each time:
//
//	step ── more ──────────────────────────► step
//	     ── nothing to do ── Idle or Wake ──► step
//	     ── error ── OnError, backoff ──────► step
//	     ── error made by Permanent ────────► Run returns it
//
// Backoff doubles from MinBackoff to MaxBackoff and forgets at the first
// success, or at the first that Stuck does not deny. The wait is drawn between half and the whole of it, so that the
// workers of one server that failed do not come back all at once.
//
// Two ways out, as for Skytools' signals: closing Stop lets the running step
// finish (SIGINT); ending the context reaches into the step (SIGTERM). Neither
// is an error.
package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Loop says how to wait between steps. Zero durations take the defaults named
// at the fields. A Loop may be used for one Run at a time.
type Loop struct {
	Idle       time.Duration   // sleep after a step that found nothing; default 1 s
	MinBackoff time.Duration   // wait after the first error; default 100 ms
	MaxBackoff time.Duration   // wait after many errors; default 20 s
	Wake       <-chan struct{} // a value ends the idle sleep early; may be nil
	Stop       <-chan struct{} // closed: leave after the running step; may be nil
	// Stuck tells that a step which found nothing to do is no sign that what failed
	// will not fail again: the pauses go on growing. May be nil.
	Stuck func() bool
	// OnError is told each error that will be retried, and the wait before
	// the next step. May be nil.
	OnError func(err error, next time.Duration)
}

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// Permanent marks an error that no retry can mend: Run returns it. Nil stays
// nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

// Run calls step until ctx ends, Stop is closed (nil either way) or step
// returns an error made by [Permanent], which it returns too. An error
// of a step that the end of ctx interrupted is not reported.
func (l *Loop) Run(ctx context.Context, step func(ctx context.Context) (more bool, err error)) error {
	idle := orDefault(l.Idle, time.Second)
	first := orDefault(l.MinBackoff, 100*time.Millisecond)
	last := max(first, orDefault(l.MaxBackoff, 20*time.Second))
	backoff := first
	for ctx.Err() == nil && !closed(l.Stop) {
		more, err := step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if _, ok := errors.AsType[*permanent](err); ok {
			return err
		}
		if err != nil {
			wait := backoff/2 + rand.N(backoff/2+1)
			backoff = min(2*backoff, last)
			if l.OnError != nil {
				l.OnError(err, wait)
			}
			l.sleep(ctx, wait, nil)
			continue
		}
		if more || l.Stuck == nil || !l.Stuck() {
			backoff = first
		}
		if !more {
			l.sleep(ctx, idle, l.Wake)
		}
	}
	return nil
}

func (l *Loop) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-l.Stop:
	case <-ctx.Done():
	}
}

// Sleep waits for d, or less when ctx ends or stop is closed. It returns the
// context's error.
func Sleep(ctx context.Context, d time.Duration, stop <-chan struct{}) error {
	if d > 0 {
		(&Loop{Stop: stop}).sleep(ctx, d, nil)
	}
	return ctx.Err()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
