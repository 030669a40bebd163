package router_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/router"
	"github.com/skytools-go/skytools/test/replicas"
)

// stopped is a server all of whose processes are, until the test's end: it
// accepts connections and answers nobody.
func stopped(t *testing.T, s *pgserver.Server) {
	t.Helper()
	// The postmaster goes first, or it would start what it sees ending.
	pids := append([]int{s.PID()}, pgtest.Column[int](t, pgtest.Admin(t, s, "postgres"), `select pid from pg_stat_activity`)...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one may have ended by now
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	}
}

// TestReplicaHangs: a replica that does not answer, and one that refuses the
// password's owner, keep no read waiting, and Run ends all the same.
func TestReplicaHangs(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t), pgtest.Own(t, pgserver.Options{}), pgtest.Second(t))
	c := router.Config{Root: replicas.As(t, w.Root, w.RootDSN, replicas.Reader), Queue: replicas.Queue}
	for i, r := range w.Replicas {
		role := []string{replicas.Reader, replicas.Reader, "stranger"}[i]
		c.Replicas = append(c.Replicas, router.Replica{Name: r.Name, Pool: replicas.As(t, r.Server, r.DSN, role), Consumer: r.Pair.Job})
	}
	r, err := router.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	fresh(t, r, "a", "b")
	pgtest.Eventually(t, 10*time.Second, "c is refused", func() bool { return strings.Contains(stands(r, "c").Why, `as user stranger`) })

	stopped(t, w.Replicas[1].Server)
	pgtest.Eventually(t, 5*time.Second, "b does not answer", func() bool { return stands(r, "b").Age == nil })
	fresh(t, r, "a")
	for range 500 {
		if pool, err := r.Read(t.Context(), router.Within(time.Minute), router.ReplicaOnly()); err != nil || pool != r.Replicas[0].Pool {
			t.Fatalf("a read went elsewhere: %v, %+v", err, r.Status())
		}
	}
	cancel()
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end while a replica hangs")
	}
	stacks := make([]byte, 1<<20)
	if text := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(text, "router.(*Router)") {
		t.Errorf("Run has ended, and something of it goes on:\n%s", text)
	}
}

// TestWait: a read waits for a replica that may come up to its token, no longer
// than its context, and not for one that never will or is held back.
func TestWait(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t))
	const far = time.Hour
	r := routed(t, w, func(c *router.Config) { c.Wait = far })
	fresh(t, r, "a")
	f := &traffic{t: t, r: r, ctx: t.Context()}

	tx, err := pgtest.Connect(t, w.Replicas[0].DSN).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `lock table entry in exclusive mode`); err != nil {
		t.Fatal(err)
	}
	token, err := f.write(1)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.Read(short, router.Within(far), router.After(token)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the replica may come up to the token until the context ends: %v", err)
	}
	pgtest.Eventually(t, 20*time.Second, "a is late", func() bool {
		s := stands(r, "a")
		return s.Age != nil && *s.Age > r.MaxLag.Seconds()
	})
	if pool, err := r.Read(t.Context(), router.After(token)); err != nil || pool != r.Root {
		t.Errorf("a replica that is too old was waited for: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pool, err := r.Read(t.Context(), router.Within(far), router.After(token)); err != nil || pool == r.Root {
		t.Errorf("the replica was not waited for: %v", err)
	}
	other, err := pgtest.Connect(t, pgtest.Database(t, w.Root, nil)).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := router.TokenOf(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if pool, err := r.Read(t.Context(), router.Within(far), router.After(foreign)); err != nil || pool != r.Root {
		t.Errorf("a token of another database was not read at the root at once: %v", err)
	}
}

// TestPooled: the pools may lead through a pooler in transaction mode if the looks
// do not; else it is said, and no client of the pooler gets the looks' settings.
func TestPooled(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t))
	cfg, err := pgxpool.ParseConfig(pgtest.Pgbouncer(t, w.Replicas[0].DSN) + " default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	through := func(c *router.Config) { c.Replicas[0].Pool = pool }
	wrong := routed(t, w, through)
	pgtest.Eventually(t, 20*time.Second, "the pooler is found", func() bool {
		return strings.Contains(stands(wrong, "a").Why, "a pooler in transaction mode stands between")
	})
	var path string
	if err := pool.QueryRow(t.Context(), `show search_path`).Scan(&path); err != nil || !strings.Contains(path, "public") {
		t.Errorf("a client of the pooler has search path %q (%v)", path, err)
	}
	r := routed(t, w, func(c *router.Config) {
		through(c)
		c.Replicas[0].Look = pgtest.Config(t, w.Replicas[0].DSN)
		c.RootLook = pgtest.Config(t, w.RootDSN)
	})
	fresh(t, r, "a")
	chosen, err := r.Read(t.Context(), router.ReplicaOnly())
	if err != nil {
		t.Fatalf("%v: %+v", err, r.Status())
	}
	var n int
	if err := chosen.QueryRow(t.Context(), `select count(*)::int from entry`).Scan(&n); err != nil || chosen != pool {
		t.Errorf("a read through the pooler: %v", err)
	}
}
