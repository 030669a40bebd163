package ticker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	osexec "os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// tickerEnv makes the test program a ticker of that database, which a test
// can kill.
const tickerEnv = "SKYTOOLS_TEST_TICKER"

func tickerProcess(dsn string) {
	cfg, err := pgx.ParseConfig(dsn)
	if err == nil {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		err = (&Ticker{Database: cfg, Log: log}).Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// spawnTicker starts one as a process of its own.
func spawnTicker(t *testing.T, dsn, name string) (*os.Process, *pgtest.Journal) {
	t.Helper()
	j := &pgtest.Journal{}
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), tickerEnv+"="+dsn+" application_name="+name)
	cmd.Stderr = j
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process, j
}

// who is the application that leads, "" for none, and how many stand by.
func who(t *testing.T, conn *pgx.Conn) (leader string, standing int) {
	t.Helper()
	list, err := Sessions(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		switch {
		case !s.Leads:
			standing++
		case leader != "":
			t.Fatalf("two tickers lead: %v", list)
		default:
			leader = s.Application
		}
	}
	return leader, standing
}

// watchTicks notes which session made each tick.
const watchTicks = `create table made (tick bigint, pid int, at timestamptz);
	create function note() returns trigger language plpgsql as
		$$ begin insert into public.made values (new.tick_id, pg_backend_pid(), clock_timestamp()); return null; end $$;
	create trigger note after insert on pgq.tick for each row execute function note()`

// TestTakeover: one of three tickers leads; killed, stopped or disconnected, it
// is followed within two seconds, and no two of them tick in turn.
func TestTakeover(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, watchTicks)
	logs, processes := map[string]*pgtest.Journal{}, map[string]*os.Process{}
	for _, name := range []string{"a", "b", "c"} {
		processes[name], logs[name] = spawnTicker(t, dsn, name)
	}
	var leader string
	pgtest.Eventually(t, 10*time.Second, "one leads, two stand by", func() bool {
		var standing int
		leader, standing = who(t, conn)
		return leader != "" && standing == 2
	})
	// ticked writes an event and waits for its tick.
	ticked := func(what string) {
		t.Helper()
		write(t, conn, 1)
		seq := pgtest.One[int64](t, conn, `select pgq.seq_getval(queue_event_seq) from pgq.queue`)
		// Two seconds are promised; the machine may be busy with other tests.
		d := pgtest.Eventually(t, 6*time.Second, "a tick after the leader was "+what, func() bool { return int64(last(t, conn).EventSeq) == seq })
		t.Logf("%s: ticked after %s", what, d)
	}
	ticked("left alone")

	if pgtest.One[int](t, conn, `select current_setting('server_version_num')::int`) >= 140000 {
		_ = processes[leader].Signal(syscall.SIGSTOP)
		ticked("stopped")
		stopped := leader
		if leader, _ = who(t, conn); leader == stopped {
			t.Error("a stopped process leads")
		}
		_ = processes[stopped].Signal(syscall.SIGCONT)
		pgtest.Eventually(t, 5*time.Second, "it stands by again", func() bool { _, standing := who(t, conn); return standing == 2 })
		if logs[stopped].Count("ticker waits") > 0 {
			t.Error("that it slept is told as trouble")
		}
		ticked("continued")
	}

	pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()`, leader)
	ticked("disconnected")
	pgtest.Eventually(t, 5*time.Second, "it is back", func() bool { _, standing := who(t, conn); return standing == 2 })

	for n := 2; n > 0; n-- {
		leader, _ = who(t, conn)
		for name, log := range logs {
			if name != leader && processes[name] != nil {
				pgtest.Eventually(t, 5*time.Second, "it says that it stands by", func() bool { return log.Count("this ticker stands by: process ") > 0 })
			}
		}
		_ = processes[leader].Kill()
		processes[leader] = nil
		ticked("killed")
		next, standing := who(t, conn)
		if next == leader || standing != n-1 {
			t.Errorf("%q leads after %q, %d stand by", next, leader, standing)
		}
		if logs[next].Count("this ticker leads now") == 0 || logs[next].Count("this ticker stands by: process ") == 0 {
			t.Error("the log does not tell of it")
		}
	}

	// A session's ticks follow each other: none came back after another's.
	runs := pgtest.One[int](t, conn, `select count(*)::int from (
		select pid, lag(pid) over (order by tick) as before from made) x where pid is distinct from before`)
	if sessions := pgtest.One[int](t, conn, `select count(distinct pid)::int from made`); runs != sessions || sessions < 4 {
		t.Errorf("%d sessions ticked in %d runs", sessions, runs)
	}
	wrong := pgtest.One[int](t, conn, `select count(*)::int from (
		select tick_snapshot, lag(tick_snapshot) over (order by tick_id) as before from pgq.tick) x
		where before is not null and not skytools.snapshot_covers(tick_snapshot, before)`)
	if wrong > 0 {
		t.Errorf("%d ticks do not see all that the one before saw", wrong)
	}
}

// TestLeaderKeepsSession: a ticker that looks seldom is not taken for dead.
func TestLeaderKeepsSession(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	j := &pgtest.Journal{}
	ticker := &Ticker{Database: pgtest.Config(t, dsn), Log: j.Logger(), LoopDelay: 4 * time.Second}
	pgtest.Start(t, "ticker", ticker.Run)
	pgtest.Eventually(t, 5*time.Second, "it leads", ticker.Leads)
	list, err := Sessions(t.Context(), conn)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	time.Sleep(silence + time.Second) // longer than the server lets a silent session live
	again, err := Sessions(t.Context(), conn)
	if err != nil || len(again) != 1 || again[0].PID != list[0].PID {
		t.Errorf("its session is another one: %v, %v, %v", list, again, err)
	}
	if text := list[0].String(); !strings.HasPrefix(text, fmt.Sprintf("process %d of %s", list[0].PID, pgtest.Role)) {
		t.Error(text)
	}
}

// TestOnlyLeaderMaintains: a standby leaves the queues alone.
func TestOnlyLeaderMaintains(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '0'`)
	var leads atomic.Bool
	var asked atomic.Int32
	m := &Maintainer{Database: pgtest.Config(t, dsn), Delay: 10 * time.Millisecond, Leads: func() bool {
		asked.Add(1)
		return leads.Load()
	}}
	pgtest.Start(t, "maintenance", m.Run)
	pgtest.Eventually(t, 5*time.Second, "it asks twice", func() bool { return asked.Load() > 1 })
	if n := pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`); n != 0 {
		t.Error("a standby rotated")
	}
	leads.Store(true)
	pgtest.Eventually(t, 5*time.Second, "a rotation", func() bool { return pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`) != 0 })
}

// TestPooledTicker: without a session of its own it lets others lead.
func TestPooledTicker(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	j := &pgtest.Journal{}
	pooled := &Ticker{Log: j.Logger(), conn: pgtest.Connect(t, dsn), pooled: true}
	for round, other := range []bool{false, true, true, false} {
		pgtest.Exec(t, conn, `select pg_advisory_unlock_all()`)
		if other {
			pgtest.Exec(t, conn, `select pg_advisory_lock($1)`, int64(leaderLock))
		}
		if leads, err := pooled.lead(t.Context()); err != nil || leads == other || pooled.Leads() == other {
			t.Errorf("round %d: leads %v, %v", round, leads, err)
		}
	}
	if j.Count("this ticker stands by: process") != 1 || j.Count("this ticker leads now") != 1 {
		t.Error("the log does not tell of it")
	}
	pgtest.Exec(t, conn, `select pg_advisory_lock($1)`, int64(leaderLock)) // none is left held
}

// TestOverslept: a connection that is found closed is no trouble to tell of
// where the ticker itself was silent for as long as the server waits, else it is.
func TestOverslept(t *testing.T) {
	var closed error = &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}
	for name, c := range map[string]struct {
		err   error
		heard time.Duration
		want  bool
	}{
		"the server says so":       {&pgconn.PgError{Code: "57P05"}, 0, true},
		"broken pipe after a nap":  {fmt.Errorf("tick: %w", closed), 2 * silence, true},
		"broken pipe while awake":  {closed, 0, false},
		"another error of the nap": {&pgconn.PgError{Code: "57P01"}, 2 * silence, false},
	} {
		ticker := &Ticker{heard: time.Now().Add(-c.heard)}
		if got := ticker.overslept(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (&Ticker{}).overslept(closed) {
		t.Error("the first connection was closed: that is told")
	}
}
