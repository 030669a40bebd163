package router_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/router"
	"github.com/skytools-go/skytools/test/replicas"
)

// journal is when the rows 1, 2, 3 … were known to be committed.
type journal struct {
	mu sync.Mutex
	at []time.Time
}

func (j *journal) add() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.at = append(j.at, time.Now())
}

// until is how many rows had been committed at a time.
func (j *journal) until(at time.Time) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, _ := slices.BinarySearchFunc(j.at, at, time.Time.Compare)
	return n
}

// traffic writes and reads through a router until end is called.
type traffic struct {
	t       *testing.T
	r       *router.Router
	names   map[*pgxpool.Pool]string
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	ids     atomic.Int64
	own     sync.Map // name of a pool: *atomic.Int64, reads of one's own rows there
	aged    atomic.Int64
}

const (
	clockRows = 1 << 40 // ids of the clock's rows begin above
	oldest    = 800 * time.Millisecond
)

func begin(t *testing.T, r *router.Router) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	f := &traffic{t: t, r: r, names: map[*pgxpool.Pool]string{r.Root: "root"}, ctx: ctx, cancel: cancel}
	for _, p := range r.Replicas {
		f.names[p.Pool] = p.Name
	}
	var j journal
	f.running.Go(func() { f.clock(&j) })
	f.running.Go(func() { f.clockReader(&j) })
	for range 24 { // most of the time they wait for a replica
		f.running.Go(f.ownWrites)
	}
	t.Cleanup(f.end)
	return f
}

func (f *traffic) end() {
	f.cancel()
	f.running.Wait()
}

// clock writes a row about each millisecond.
func (f *traffic) clock(j *journal) {
	for n := int64(1); f.ctx.Err() == nil; n++ {
		if _, err := f.r.Write().Exec(f.ctx, `insert into entry values ($1)`, clockRows+n); err != nil {
			if f.ctx.Err() == nil {
				f.t.Errorf("clock: %v", err)
			}
			return
		}
		j.add()
		time.Sleep(time.Millisecond) // the clock's step
	}
}

// clockReader wants no read to lack a row that was committed before it may.
func (f *traffic) clockReader(j *journal) {
	for f.ctx.Err() == nil {
		pool, err := f.r.Read(f.ctx, router.Within(oldest))
		if err != nil {
			return
		}
		need := j.until(time.Now().Add(-oldest))
		var got int64
		err = pool.QueryRow(f.ctx, `select coalesce(max(id), $1) - $1 from entry where id > $1`, int64(clockRows)).Scan(&got)
		name := f.names[pool]
		switch {
		case err != nil:
			f.failed(name, err)
		case int(got) < need:
			f.t.Errorf("replica %s has %d rows of the clock, and %d were committed more than %s ago: %+v",
				name, got, need, oldest, f.r.Status())
			return
		case name != "root":
			f.aged.Add(1)
		}
		time.Sleep(2 * time.Millisecond) // leaves the machine to those who write
	}
}

// failed is an error of a read: a replica may die between a look and a query.
func (f *traffic) failed(name string, err error) {
	if f.ctx.Err() == nil && name != "b" {
		f.t.Errorf("%s: %v", name, err)
	}
	time.Sleep(time.Millisecond) // the pool of a dead server fails at once, again and again
}

func (f *traffic) ownWrites() {
	for f.ctx.Err() == nil {
		id := f.ids.Add(1)
		token, err := f.write(id)
		if err != nil {
			if f.ctx.Err() == nil {
				f.t.Errorf("write: %v", err)
			}
			return
		}
		pool, err := f.r.Read(f.ctx, router.After(token))
		if err != nil {
			return
		}
		name := f.names[pool]
		var there bool
		err = pool.QueryRow(f.ctx, `select exists (select from entry where id = $1)`, id).Scan(&there)
		switch {
		case err != nil:
			f.failed(name, err)
		case !there:
			f.t.Errorf("row %d was written before token %s, and %s does not have it: %+v", id, token, name, f.r.Status())
			return
		default:
			count(&f.own, name).Add(1)
		}
	}
}

func count(m *sync.Map, name string) *atomic.Int64 {
	n, _ := m.LoadOrStore(name, &atomic.Int64{})
	return n.(*atomic.Int64)
}

func (f *traffic) write(id int64) (router.Token, error) {
	tx, err := f.r.Write().Begin(f.ctx)
	if err != nil {
		return router.Token{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(f.ctx)) }() // after the commit it does nothing
	if _, err := tx.Exec(f.ctx, `insert into entry values ($1, 'own')`, id); err != nil {
		return router.Token{}, err
	}
	token, err := router.TokenOf(f.ctx, tx)
	if err != nil {
		return token, err
	}
	return token, tx.Commit(f.ctx)
}

// more waits until n more reads of one's own rows were served by the pool of
// that name.
func (f *traffic) more(name string, n int64) {
	f.t.Helper()
	c := count(&f.own, name)
	want := c.Load() + n
	pgtest.Eventually(f.t, 60*time.Second, fmt.Sprintf("%d reads more at %s: %+v", n, name, f.r.Status()),
		func() bool { return f.t.Failed() || c.Load() >= want })
}

// TestReadsUnderLoad holds one replica back, then kills it, while rows are
// written and read: nobody misses an own row, and no read is older than it may
// be. The application's role has the rights that the documents name.
func TestReadsUnderLoad(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t), pgtest.Own(t, pgserver.Options{}))
	r := routed(t, w, func(c *router.Config) { c.Wait = 2 * time.Second })
	fresh(t, r, "a", "b")
	f := begin(t, r)
	reads := int64(200)
	if pgtest.Long() {
		reads = 3000
	}
	f.more("a", reads)
	f.more("b", reads)

	b := w.Replicas[1]
	held, err := pgtest.Connect(t, b.DSN).Begin(t.Context())
	if err == nil {
		_, err = held.Exec(t.Context(), `lock table entry in exclusive mode`) // reads go on, the worker waits
	}
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 30*time.Second, "b is late", func() bool {
		s := stands(r, "b")
		return s.Age != nil && *s.Age > 2*oldest.Seconds()
	})
	before := stands(r, "b").Reads
	f.more("a", reads)
	if n := stands(r, "b").Reads - before; n > 0 {
		t.Errorf("b got %d reads while it was held back", n)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.more("b", reads)

	if err := b.Server.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 30*time.Second, "b is dead", func() bool { return stands(r, "b").Age == nil })
	before = stands(r, "b").Reads
	f.more("a", reads)
	if n := stands(r, "b").Reads - before; n > 0 {
		t.Errorf("b got %d reads while it was dead", n)
	}
	if err := b.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.more("b", reads)
	f.end()
	if f.aged.Load() < reads {
		t.Errorf("%d reads of the clock were served by replicas", f.aged.Load())
	}
	t.Logf("%d rows written, %d reads of the clock at replicas, %+v", f.ids.Load(), f.aged.Load(), r.Status())
}

// TestWeight gives reads by weight.
func TestWeight(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t), pgtest.Second(t))
	r := routed(t, w, func(c *router.Config) { c.Replicas[0].Weight = 3 })
	fresh(t, r, "a", "b")
	for range 4000 {
		if _, err := r.Read(t.Context(), router.ReplicaOnly()); err != nil {
			t.Fatalf("%v: %+v", err, r.Status())
		}
	}
	if n := stands(r, "a").Reads; n < 2800 || n > 3200 {
		t.Errorf("a has weight 3 of 4 and got %d of 4000 reads", n)
	}
}

// TestOutOfStep has a table parked, then one not copied yet, then another provider.
func TestOutOfStep(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t))
	r := routed(t, w, nil)
	fresh(t, r, "a")
	conn := pgtest.Connect(t, w.Replicas[0].DSN)
	for _, c := range []struct{ why, aside, back string }{
		{
			"public.entry",
			`insert into skytools.parked_table (queue_name, table_name, tick_id, error) values ('londiste.write', 'public.entry', 1, 'x')`,
			`delete from skytools.parked_table`,
		},
		{"public.entry", `update londiste.table_info set local = true, merge_state = null`, `update londiste.table_info set merge_state = 'ok'`},
		{ // it was given another provider
			"it follows another queue",
			`update skytools.worker_state set provider_system_identifier = '1' || provider_system_identifier`,
			`update skytools.worker_state set provider_system_identifier = substr(provider_system_identifier, 2)`,
		},
	} {
		pgtest.Exec(t, conn, c.aside)
		pgtest.Eventually(t, 10*time.Second, "not fresh", func() bool { return strings.Contains(stands(r, "a").Why, c.why) })
		if pool, err := r.Read(t.Context()); err != nil || pool != r.Root {
			t.Errorf("the read did not go to the root: %v", err)
		}
		if _, err := r.Read(t.Context(), router.ReplicaOnly()); !errors.Is(err, router.ErrNoReplica) || hint.Of(err) == "" {
			t.Errorf("error %v, hint %q", err, hint.Of(err))
		}
		pgtest.Exec(t, conn, c.back)
		fresh(t, r, "a")
	}
}

// TestRootDies: reads go on by the replica's age until it is passed, a token's
// only where it is proven; after a restart an old token is not served.
func TestRootDies(t *testing.T) {
	root := pgtest.Own(t, pgserver.Options{})
	w := replicas.New(t, root, pgtest.Second(t))
	const far = time.Hour
	r := routed(t, w, func(c *router.Config) { c.MaxLag = 2 * time.Second; c.Wait = 20 * time.Second })
	fresh(t, r, "a")
	f := &traffic{t: t, r: r, ctx: t.Context()}
	old, err := f.write(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), router.After(old), router.ReplicaOnly()); err != nil {
		t.Fatalf("%v: %+v", err, r.Status())
	}
	if err := root.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 10*time.Second, "the root is dead", func() bool { return !r.Status().Root.Answers })
	if _, err := r.Read(t.Context(), router.Within(far), router.ReplicaOnly()); err != nil {
		t.Errorf("with the root dead: %v", err)
	}
	if _, err := r.Read(t.Context(), router.Within(far), router.After(old), router.ReplicaOnly()); err != nil {
		t.Errorf("the replica's tick was seen to have the token: %v", err)
	}
	pgtest.Eventually(t, 10*time.Second, "the replica is too old", func() bool {
		_, err := r.Read(t.Context(), router.ReplicaOnly())
		return errors.Is(err, router.ErrNoReplica)
	})
	if err := root.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh(t, r, "a")
	if pool, err := r.Read(t.Context(), router.Within(far), router.After(old)); err != nil || pool != r.Root {
		t.Errorf("a token from before the restart was served by a replica (%v)", err)
	}
	again, err := f.write(2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), router.After(again), router.ReplicaOnly()); err != nil {
		t.Errorf("a new token: %v, %+v", err, r.Status())
	}
}

// TestRights names what is missing.
func TestRights(t *testing.T) {
	w := replicas.New(t, pgtest.Server(t), pgtest.Second(t))
	pgtest.Exec(t, pgtest.Admin(t, pgtest.Second(t), "postgres"), `create role nobody login`)
	var log pgtest.Journal
	r := routed(t, w, func(c *router.Config) {
		c.Replicas[0].Pool = replicas.As(t, w.Replicas[0].Server, w.Replicas[0].DSN, "nobody")
		c.Log = log.Logger()
	})
	pgtest.Eventually(t, 10*time.Second, "the hint", func() bool { return log.Count("grant pgq_reader to nobody") > 0 })
	if s := stands(r, "a"); !strings.Contains(s.Why, "permission denied") {
		t.Errorf("%+v", s)
	}
}

// TestNew refuses what cannot work.
func TestNew(t *testing.T) {
	pool := &pgxpool.Pool{}
	for _, c := range []struct {
		config router.Config
		want   string
	}{
		{router.Config{}, "no pool of the root"},
		{router.Config{Root: pool}, "no queue"},
		{router.Config{Root: pool, Queue: "q", Wait: -1}, "negative"},
		{router.Config{Root: pool, Queue: "q", Replicas: []router.Replica{{Name: "a"}}}, "replica a has no pool"},
		{router.Config{Root: pool, Queue: "q", Replicas: []router.Replica{{Name: "a", Pool: pool}}}, "no consumer"},
		{router.Config{Root: pool, Queue: "q", Replicas: []router.Replica{{Pool: pool, Consumer: "c"}}}, `name ""`},
		{router.Config{Root: pool, Queue: "q", Replicas: []router.Replica{{Name: "a", Pool: pool, Consumer: "c", Weight: -1}}}, "weight -1"},
		{router.Config{Root: pool, Queue: "q", Replicas: []router.Replica{{Name: "a", Pool: pool, Consumer: "c"}, {Name: "a", Pool: pool, Consumer: "d"}}}, `name "a"`},
	} {
		if _, err := router.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.config, err, c.want)
		}
	}
}
