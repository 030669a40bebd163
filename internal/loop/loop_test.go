package loop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// virtual runs fn with a clock that jumps over sleeps.
func virtual(t *testing.T, fn func(t *testing.T, ctx context.Context, cancel func())) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		fn(t, ctx, cancel)
	})
}

func TestMoreRunsAtOnceAndIdleSleeps(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		start, n := time.Now(), 0
		l := Loop{Idle: 3 * time.Second}
		err := l.Run(ctx, func(context.Context) (bool, error) {
			if n++; n == 12 {
				cancel()
			}
			return n%4 != 0, nil // every fourth step finds nothing
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); n != 12 || took != 6*time.Second {
			t.Errorf("%d steps in %s, want 12 in 6s", n, took)
		}
	})
}

func TestWakeEndsIdleSleep(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		wake := make(chan struct{}, 1)
		start, n := time.Now(), 0
		go func() {
			time.Sleep(40 * time.Millisecond)
			wake <- struct{}{}
		}()
		l := Loop{Idle: time.Hour, Wake: wake}
		_ = l.Run(ctx, func(context.Context) (bool, error) {
			if n++; n == 2 {
				cancel()
			}
			return false, nil
		})
		if took := time.Since(start); n != 2 || took != 40*time.Millisecond {
			t.Errorf("%d steps, second after %s, want 40ms", n, took)
		}
	})
}

func TestBackoffGrowsAndSuccessResets(t *testing.T) {
	for range 30 { // the jitter hides a wrong factor now and then
		backoff(t)
	}
}

func backoff(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		boom := errors.New("boom")
		var waits []time.Duration
		last, n := time.Now(), 0
		var gaps []time.Duration
		l := Loop{
			Idle: time.Nanosecond, MinBackoff: time.Second, MaxBackoff: 5 * time.Second,
			OnError: func(err error, next time.Duration) {
				if err != boom {
					t.Errorf("OnError(%v)", err)
				}
				waits = append(waits, next)
			},
		}
		err := l.Run(ctx, func(context.Context) (bool, error) {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			switch n++; n {
			case 6:
				return true, nil
			case 9:
				cancel()
			}
			return false, boom
		})
		if err != nil {
			t.Fatal(err)
		}
		ceilings := []time.Duration{1, 2, 4, 5, 5, 1, 2}
		if len(waits) != len(ceilings) {
			t.Fatalf("waits %v, want %d of them", waits, len(ceilings))
		}
		for i, c := range ceilings {
			if hi := c * time.Second; waits[i] < hi/2 || waits[i] > hi {
				t.Errorf("wait %d is %s, want between %s and %s", i, waits[i], hi/2, hi)
			}
		}
		for i, w := range waits[:5] {
			if gaps[i+1] != w {
				t.Errorf("step %d came %s later, OnError said %s", i+1, gaps[i+1], w)
			}
		}
	})
}

// What fails is not there in every step: those between make no pause short.
func TestBackoffGrowsWhileStuck(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		stuck, n := true, 0
		var waits []time.Duration
		l := Loop{
			Idle: time.Nanosecond, MinBackoff: time.Second, MaxBackoff: time.Hour, Stuck: func() bool { return stuck },
			OnError: func(_ error, next time.Duration) { waits = append(waits, next) },
		}
		_ = l.Run(ctx, func(context.Context) (bool, error) {
			switch n++; {
			case n == 20:
				stuck = false
			case n == 22:
				cancel()
			case n%2 == 1:
				return false, errors.New("boom")
			}
			return false, nil
		})
		if len(waits) != 11 || waits[9] < 256*time.Second || waits[10] > time.Second {
			t.Errorf("pauses %v, want ten that grow and a short one", waits)
		}
	})
}

func TestWakeDoesNotCutBackoffShort(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		start, n := time.Now(), 0
		l := Loop{MinBackoff: 10 * time.Second, Wake: wake}
		_ = l.Run(ctx, func(context.Context) (bool, error) {
			if n++; n == 2 {
				cancel()
			}
			return false, errors.New("down")
		})
		if took := time.Since(start); took < 5*time.Second {
			t.Errorf("retried after %s", took)
		}
		if len(wake) != 1 {
			t.Error("the wake-up was lost in the backoff")
		}
	})
}

func TestStopLetsTheStepFinish(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, _ func()) {
		stop := make(chan struct{})
		finished := 0
		go func() {
			time.Sleep(time.Second)
			close(stop)
		}()
		l := Loop{Stop: stop}
		err := l.Run(ctx, func(ctx context.Context) (bool, error) {
			time.Sleep(5 * time.Second)
			finished++
			return true, ctx.Err()
		})
		if err != nil || finished != 1 {
			t.Errorf("err %v, %d steps finished, want nil and 1", err, finished)
		}
	})
}

func TestStopEndsSleeps(t *testing.T) {
	for _, failing := range []bool{false, true} {
		t.Run(fmt.Sprintf("failing=%v", failing), func(t *testing.T) {
			virtual(t, func(t *testing.T, ctx context.Context, _ func()) {
				stop := make(chan struct{})
				start := time.Now()
				go func() {
					time.Sleep(time.Second)
					close(stop)
				}()
				l := Loop{Idle: time.Hour, MinBackoff: time.Hour, MaxBackoff: time.Hour, Stop: stop}
				err := l.Run(ctx, func(context.Context) (bool, error) {
					if failing {
						return false, errors.New("down")
					}
					return false, nil
				})
				if took := time.Since(start); err != nil || took != time.Second {
					t.Errorf("err %v after %s, want nil after 1s", err, took)
				}
			})
		})
	}
}

func TestEndedContextIsNoError(t *testing.T) {
	virtual(t, func(t *testing.T, ctx context.Context, cancel func()) {
		reported := false
		l := Loop{OnError: func(error, time.Duration) { reported = true }}
		go func() {
			time.Sleep(time.Minute)
			cancel()
		}()
		err := l.Run(ctx, func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})
		if err != nil || reported {
			t.Errorf("err %v, reported %v", err, reported)
		}
		called := false
		_ = l.Run(ctx, func(context.Context) (bool, error) { called = true; return false, nil })
		if called {
			t.Error("a step ran under an ended context")
		}
	})
}

func TestPermanentEndsTheLoop(t *testing.T) {
	fenced := errors.New("fenced")
	l := Loop{OnError: func(err error, _ time.Duration) { t.Errorf("OnError(%v)", err) }}
	err := l.Run(t.Context(), func(context.Context) (bool, error) {
		return false, fmt.Errorf("apply: %w", Permanent(fenced))
	})
	if !errors.Is(err, fenced) || err.Error() != "apply: fenced" {
		t.Errorf("got %v", err)
	}
	if Permanent(nil) != nil {
		t.Error("Permanent(nil) is not nil")
	}
}
