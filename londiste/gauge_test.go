package londiste_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// look wants a lag that can be told.
func (f *flow) look(g *londiste.Gauge) londiste.Lag {
	f.t.Helper()
	lag, err := g.Look(f.t.Context())
	f.ok(err)
	return lag
}

// levels waits until the gauge shows that nothing is missing.
func (f *flow) levels(g *londiste.Gauge) {
	f.t.Helper()
	pgtest.Eventually(f.t, 20*time.Second, "lag 0", func() bool {
		lag, err := g.Look(f.t.Context())
		return err == nil && lag.Behind == 0
	})
}

// A gauge shows 0 only where the subscriber has all that can be seen at the
// provider, and never less than what it lacks.
func TestGauge(t *testing.T) {
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	g := &londiste.Gauge{Pair: f.sub.Pair}
	t.Cleanup(g.Close)
	_, err := g.Look(t.Context())
	f.fails(err, "no position", "replay")
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.levels(g)

	f.ok(w.stop())
	f.levels(g) // nobody replicates, and there is nothing to replicate
	behind := time.Now()
	f.exec(f.provConn, `insert into book values (1)`)
	first := f.look(g)
	if first.Behind <= 0 {
		t.Errorf("a row is missing, lag %v", first)
	}
	if least := time.Since(behind); f.look(g).Behind < least {
		t.Errorf("a row has been missing for %s, lag %v", least, f.look(g))
	}
	if aged := first.Now(first.At.Add(time.Minute)); aged != first.Behind+time.Minute {
		t.Errorf("a minute after %v it is %s", first, aged)
	}
	start(t, f.newWorker().Run)
	f.levels(g)

	// Without ticks nobody can tell that there is nothing.
	f.exec(f.provConn, `update pgq.queue set queue_ticker_paused = true`)
	if lag := f.look(g); lag.Behind <= 0 {
		t.Errorf("the ticker is paused, lag %v", lag)
	}
	f.exec(f.provConn, `update pgq.queue set queue_ticker_paused = false`)
	f.levels(g)

	// A provider set back to a backup: the position is beyond its last tick.
	f.exec(f.subConn, `update skytools.worker_state set last_tick_time = last_tick_time - interval '1 hour'`)
	if lag := f.look(g); lag.Behind < time.Hour {
		t.Errorf("another provider's ticks, lag %v", lag)
	}

	// A clock that was set back tells nothing of a tick from before.
	f.exec(f.subConn, `update skytools.worker_state set last_tick_time = last_tick_time + interval '2 hours'`)
	_, err = g.Look(t.Context())
	f.fails(err, "the provider's clock is", "set back")
	f.exec(f.subConn, `update skytools.worker_state set provider_system_identifier = '1'`)
	_, err = g.Look(t.Context())
	f.fails(err, "follows a queue of another server", "provider_db")
}

// TestGaugeAlone: of two dead servers the subscriber's error is told, and a
// provider that is dead alone, or hangs, does not keep its tables from being seen.
func TestGaugeAlone(t *testing.T) {
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.ok(w.stop())
	f.exec(f.subConn, `insert into skytools.parked_table (queue_name, table_name, tick_id, error)
		values ('londiste.write', 'public.book', 1, 'why')`)
	nobody := f.sub.Pair.Provider.Copy()
	nobody.Port, nobody.Fallbacks = 1, nil
	pair := f.sub.Pair
	pair.Provider = nobody
	g := &londiste.Gauge{Pair: pair}
	t.Cleanup(g.Close)
	lag, err := g.Look(t.Context())
	if _, alone := errors.AsType[*londiste.ProviderError](err); !alone || !slices.Equal(lag.Parked, []string{"public.book"}) {
		t.Errorf("the provider is dead: %+v, %v", lag, err)
	}
	pair.Subscriber = nobody
	both := &londiste.Gauge{Pair: pair}
	_, err = both.Look(t.Context())
	if _, alone := errors.AsType[*londiste.ProviderError](err); err == nil || alone {
		t.Errorf("both are dead: %v", err)
	}

	hangs, err := net.Listen("tcp", "127.0.0.1:0") // its clients are never answered
	f.ok(err)
	t.Cleanup(func() { hangs.Close() })
	g.Pair.Provider.Port = uint16(hangs.Addr().(*net.TCPAddr).Port)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	lag, err = g.Look(ctx)
	if _, alone := errors.AsType[*londiste.ProviderError](err); !alone || len(lag.Parked) != 1 {
		t.Errorf("the provider hangs: %+v, %v", lag, err)
	}
}

// Parked tables are named, and sessions that the server ends are made anew.
func TestGaugeGoesOn(t *testing.T) {
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	g := &londiste.Gauge{Pair: f.sub.Pair}
	t.Cleanup(g.Close)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.levels(g)
	f.ok(w.stop())
	f.exec(f.subConn, `insert into skytools.parked_table (queue_name, table_name, tick_id, error)
		values ('londiste.write', 'public.book', 1, 'why'), ('londiste.write', 'public.aside', 1, '')`)
	if lag := f.look(g); !slices.Equal(lag.Parked, []string{"public.book"}) {
		t.Errorf("parked: %v", lag.Parked)
	}
	f.exec(f.subConn, `delete from skytools.parked_table`)
	f.exec(f.subConn, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	if _, err := g.Look(t.Context()); err == nil {
		t.Error("a session that was ended answers")
	}
	f.levels(g)
}
