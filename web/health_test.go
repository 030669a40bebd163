package web

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

// sound is a set that replicates.
func sound() *londiste.Status {
	return &londiste.Status{
		Provider: londiste.NodeStatus{Reachable: true}, Subscriber: londiste.NodeStatus{Reachable: true},
		Worker: &londiste.WorkerStatus{Running: true},
	}
}

func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		view View
		want string // of the text after the first line; "" for ready
	}{
		"sound":         {view: View{Set: sound()}},
		"provider gone": {View{Set: &londiste.Status{Provider: londiste.NodeStatus{Error: "refused"}, Subscriber: sound().Subscriber, Worker: sound().Worker}}, "refused"},
		"no worker":     {View{Set: &londiste.Status{Provider: sound().Provider, Subscriber: sound().Subscriber}}, "no worker replicates"},
		"a worker gone": {View{Set: &londiste.Status{Provider: sound().Provider, Subscriber: sound().Subscriber, Worker: &londiste.WorkerStatus{}}}, "no worker replicates"},
		"it fails": {View{Set: &londiste.Status{
			Provider: sound().Provider, Subscriber: sound().Subscriber,
			Worker: &londiste.WorkerStatus{Running: true, Error: "no room"},
		}}, "stands still: no room"},
		"no list":       {View{Err: errors.New("down")}, "down"},
		"database gone": {View{Databases: []Database{{Name: "a", Err: errors.New("gone")}}}, "gone"},
		"ticks":         {view: View{Databases: []Database{{Name: "a", Status: &doctor.Status{Queues: []pgq.Queue{{Name: "q", IdlePeriod: time.Minute, TickerLag: time.Minute}}}}}}},
		"no ticks":      {View{Databases: []Database{{Name: "a", Status: &doctor.Status{Queues: []pgq.Queue{{Name: "q", TickerLag: time.Hour}}}}}}, "last tick of queue q is 3600s old"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Read: func(context.Context) View { return c.view }}
			h := s.Handler(true)
			if w := ask(h, "GET", "/ready"); w.Code != 503 || !strings.Contains(w.Body.String(), "not been looked at") {
				t.Errorf("before the first look: %d %s", w.Code, w.Body)
			}
			s.look(t.Context())
			w := ask(h, "GET", "/ready")
			if c.want == "" {
				if w.Code != 200 || w.Body.String() != "ready\n" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			if w.Code != 503 || !strings.HasPrefix(w.Body.String(), "not ready\n") || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s, want %q", w.Code, w.Body, c.want)
			}
			var body struct {
				Ready   bool
				Reasons []string
			}
			j := ask(h, "GET", "/ready", "Accept", "application/json")
			if err := json.Unmarshal(j.Body.Bytes(), &body); err != nil || j.Code != 503 || body.Ready || len(body.Reasons) != 1 {
				t.Errorf("as JSON: %d %s", j.Code, j.Body)
			}
		})
	}
}

// A look that does not come to its end is noticed by the age of the last.
func TestReadyNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Every: time.Second, Read: func(context.Context) View { return View{Set: sound()} }}
		s.look(t.Context())
		time.Sleep(13 * time.Second) // in the bubble's time
		if why := s.notReady(time.Now()); len(why) != 1 || !strings.Contains(why[0], "13s ago") {
			t.Errorf("%q", why)
		}
	})
}

// The time since a look counts as lag, and requests share one look.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var lag londiste.Lag
		var failed error
		takes := time.Duration(0)
		s := &Server{Lag: func(ctx context.Context) (londiste.Lag, error) {
			looks.Add(1)
			found := lag
			found.At = time.Now()
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				return found, ctx.Err()
			}
			return found, failed
		}}
		defer s.looks.Wait()
		h := s.Handler(true)
		wants := func(path string, code int, text string) {
			t.Helper()
			if w := ask(h, "GET", path); w.Code != code || !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: %d %s, want %d %q", path, w.Code, w.Body, code, text)
			}
		}
		next := func() { time.Sleep(pulsePause) } // in the bubble's time: a new look is made

		failed = errors.New("no position")
		wants("/fresh?within=1s", 503, "cannot be told: no position")
		failed = nil
		next()
		lag.Behind = 400 * time.Millisecond
		wants("/fresh?within=500ms", 200, "fresh: lag at most 400ms, asked for 500ms")
		wants("/fresh?within=0.3", 503, "not fresh: lag at most 400ms")
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks for three requests within the pause, of which one failed", n)
		}
		next()
		lag.Behind, lag.Parked = 0, []string{"public.book"}
		wants("/fresh?within=1s", 503, "parked tables: public.book")
		wants("/fresh?within=1s&copying=allow", 503, "parked tables: public.book")
		lag.Parked, lag.Copying = nil, []string{"public.page"}
		next()
		wants("/fresh?within=1s", 503, "not fresh: lag at most 0s, asked for 1s\ntables being copied: public.page")
		wants("/fresh?within=1s&copying=allow", 200, "fresh: lag at most 0s, asked for 1s\ntables being copied: public.page")
		wants("/fresh?within=1s&copying=yes", 400, "copying=allow")
		lag.Copying = nil
		next()
		wants("/fresh?within=1ms", 200, "fresh")

		// A server that hangs: no request waits for it, and the lag rises.
		takes = time.Hour
		next()
		begin := time.Now()
		wants("/fresh?within=300ms", 503, "lag at most 400ms")
		wants("/fresh?within=800ms", 200, "lag at most 700ms")
		if waited := time.Since(begin); waited != 2*pulseWait {
			t.Errorf("two requests waited %s", waited)
		}
		time.Sleep(pulseLimit) // in the bubble's time: the look is given up
		wants("/fresh?within=1s", 503, "the last look failed: context deadline exceeded")

		for _, path := range []string{"/fresh", "/fresh?within=", "/fresh?within=-1s", "/fresh?within=soon", "/fresh?within=0"} {
			wants(path, 400, "/fresh?within=500ms")
		}
		next()
		var body struct {
			Fresh bool
			Lag   *float64 `json:"lag_seconds"`
		}
		w := ask(h, "GET", "/fresh?within=1m", "Accept", "application/json")
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Fresh || body.Lag == nil || *body.Lag < 5 {
			t.Errorf("as JSON: %s", w.Body)
		}

		// A subscriber that does not answer is not fresh, however much is allowed; one
		// whose provider does not answer is as old as it was, and growing older.
		time.Sleep(pulseLimit) // in the bubble's time: that one is given up, too
		takes = 0
		failed = errors.New("the subscriber is dead")
		next()
		wants("/fresh?within=1h", 503, "the subscriber is dead")
		failed = &londiste.ProviderError{Err: errors.New("the provider is dead")}
		next()
		wants("/fresh?within=1h", 200, "the provider is dead")
		lag.Parked = []string{"public.book"}
		next()
		wants("/fresh?within=1h", 503, "parked tables: public.book")
	})
}

// A program without a subscriber has nothing to be fresh.
func TestNotFresh(t *testing.T) {
	if w := ask((&Server{}).Handler(true), "GET", "/fresh?within=1s"); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}
