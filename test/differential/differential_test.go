package differential

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/dsn"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/test/check"
	"github.com/skytools-go/skytools/test/workload"
	"github.com/skytools-go/skytools/ticker"
)

const (
	queue = "diff.queue"
	job   = "diff_job"
	// least is how often each kind of change must have been committed.
	least = 50
	// patience is how long anything may take on a busy machine.
	patience = 3 * time.Minute
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func prepareProvider(ctx context.Context, conn *pgx.Conn) error { return prepare(ctx, conn, true) }

func prepareSubscriber(ctx context.Context, conn *pgx.Conn) error { return prepare(ctx, conn, false) }

// TestDifferential runs the seeds 1 and 3, with LONG 1 to 3, each third by row
// triggers; DIFFERENTIAL_SEEDS=N runs N seeds from the number of seconds since
// 1970 on, and prints them.
func TestDifferential(t *testing.T) {
	seeds := []uint64{1, 3}
	if pgtest.Long() {
		seeds = []uint64{1, 2, 3}
	}
	if n, err := strconv.Atoi(os.Getenv("DIFFERENTIAL_SEEDS")); err == nil {
		seeds = nil
		for i := range n {
			seeds = append(seeds, uint64(time.Now().Unix())+uint64(i))
		}
	}
	for _, seed := range seeds {
		mode := londiste.Capture{Row: seed%3 == 0}
		t.Run(fmt.Sprintf("seed=%d/row=%v", seed, mode.Row), func(t *testing.T) {
			t.Parallel()
			differential(t, seed, mode)
		})
	}
}

func differential(t *testing.T, seed uint64, capture londiste.Capture) {
	ctx := t.Context()
	providerDSN := pgtest.Database(t, pgtest.Server(t), prepareProvider)
	subscriberDSN := pgtest.Database(t, pgtest.Second(t), prepareSubscriber)
	pair := newPair(t, providerDSN, subscriberDSN)
	stop := daemons(t, pair)
	register(t, pair, capture)
	subscriber := pgtest.Connect(t, subscriberDSN)
	pgtest.Exec(t, subscriber, watch)
	waitOK(t, subscriber)

	o := &oracle{lock: pgtest.Connect(t, providerDSN), look: pgtest.Connect(t, providerDSN), queue: queue, expected: map[int64]string{}}
	o.alone(t)
	check.WatchRotation(ctx, t, o.lock, queue)
	report := write(t, o, providerDSN, seed)
	waitLast(t, o, subscriber)
	stop()

	for _, k := range workload.Kinds {
		if report.ByKind[k.Name] < least {
			t.Errorf("%q was committed %d times, want at least %d", k.Name, report.ByKind[k.Name], least)
		}
	}
	compared := o.judge(ctx, t, subscriber)
	if compared < 100 {
		t.Errorf("only %d states were compared", compared)
	}
	t.Logf("seed %d: %d transactions (%d collided, %d rolled back, %d long), %d ticks, %d states compared",
		seed, report.Committed, report.Collided, report.RolledBack, report.Long, len(o.expected), compared)
	o.rotated(t)
	pgtest.CompareTables(t, providerDSN, subscriberDSN, workload.Tables...)
	check.Pair{Provider: o.lock, Subscriber: subscriber, Queue: queue, Consumer: job}.Invariants(ctx, t)
}

func newPair(t *testing.T, provider, subscriber string) set.Pair {
	t.Helper()
	from, err := dsn.Parse(provider)
	if err != nil {
		t.Fatal(err)
	}
	to, err := dsn.Parse(subscriber)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	return set.Pair{Job: job, Queue: queue, Provider: from, Subscriber: to, Log: log}
}

// daemons runs ticker and worker until stop is called.
func daemons(t *testing.T, pair set.Pair) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ticks := ticker.Ticker{Database: pair.Provider, Log: pair.Log}
	maintainer := ticker.Maintainer{Database: pair.Provider, Log: pair.Log, Delay: time.Second}
	worker := replay.Worker{Pair: pair}
	var wg sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{
		"ticker": ticks.Run, "maintainer": maintainer.Run, "worker": worker.Run,
	} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// register installs both sides and adds all tables; the queue rotates fast.
func register(t *testing.T, pair set.Pair, capture londiste.Capture) {
	t.Helper()
	install := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := schema.Install(ctx, conn, schema.Options{})
		return err
	}
	provider, subscriber := londiste.Provider{Pair: pair}, londiste.Subscriber{Pair: pair}
	tables := londiste.Selection{Names: workload.Tables}
	for _, step := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return provider.Install(ctx, install) },
		func(ctx context.Context) error { return subscriber.Install(ctx, install) },
		func(ctx context.Context) error { return provider.AddTables(ctx, tables, capture) },
		func(ctx context.Context) error { return subscriber.AddTables(ctx, tables, londiste.AddOptions{}) },
	} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	conn := pgtest.Connect(t, pair.Provider.ConnString())
	pgtest.Exec(t, conn, "update pgq.queue set queue_rotation_period = '2 seconds'")
}

// write runs the writers, in sessions with settings that must not leak, while
// the oracle ticks.
func write(t *testing.T, o *oracle, provider string, seed uint64) workload.Report {
	t.Helper()
	done := make(chan struct{})
	var report workload.Report
	var failed error
	go func() {
		defer close(done)
		report, failed = workload.Run(t.Context(), provider, workload.Options{Seed: seed, Settings: func(w int) []string {
			return [][]string{
				nil,
				{"set datestyle = 'SQL, DMY'", "set intervalstyle = 'iso_8601'"},
				{"set timezone = 'Asia/Kathmandu'", "set extra_float_digits = 0"},
				{"set bytea_output = 'escape'", "set search_path = pg_temp, public"},
			}[w%4]
		}})
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		err := o.tick(t.Context())
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "40P01" {
			t.Log("tick given up:", pg, pg.Detail) // the writers' locks come first
		} else if err != nil {
			t.Fatal(err)
		}
		o.letRotate(t)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return report
}

// waitOK waits for the copies.
func waitOK(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Eventually(t, patience, "all tables to be ok", func() bool {
		var ok bool
		err := conn.QueryRow(t.Context(),
			`select coalesce(bool_and(coalesce(merge_state, '') = 'ok'), false) from londiste.table_info`).Scan(&ok)
		return err == nil && ok
	})
}

// waitLast waits until the subscriber is at the oracle's newest tick.
func waitLast(t *testing.T, o *oracle, conn *pgx.Conn) {
	t.Helper()
	pgtest.Eventually(t, patience, fmt.Sprintf("tick %d to be applied", o.last), func() bool {
		var at int64
		err := conn.QueryRow(t.Context(), "select last_tick_id from pgq_node.local_state where consumer_name = $1", job).Scan(&at)
		return err == nil && at >= o.last
	})
}
