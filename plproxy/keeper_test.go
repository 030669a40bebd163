package plproxy_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/plproxy"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/test/replicas"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	maxLag = time.Second
	every  = 100 * time.Millisecond
	// bound is how old a read may be: what is allowed, a look that is under way,
	// the pause, and the time that a busy machine takes.
	bound = maxLag + every + 3*time.Second
)

// proxied is a PL/Proxy database, with a function that writes an entry and one
// that tells where it reads and what is the newest there.
type proxied struct {
	t     *testing.T
	form  plproxy.Form
	dsn   string // as the owner
	calls string // as an application
	log   pgtest.Journal
	names map[int]string // of ports

	lock   sync.Mutex
	reads  map[string]int
	failed int
}

const functions = `
	create function put(i_id bigint) returns int language plproxy as $$ cluster 'write'; run on hashtext(i_id::text); $$;
	create function seen(out port int, out newest bigint) language plproxy as $$ cluster 'read'; run on any; $$;
	create function shard(i_n int, out port int, out newest bigint) language plproxy as $$ cluster 'part'; run on i_n; target seen; $$;
	create function shards(out port int, out newest bigint) returns setof record language plproxy as $$ cluster 'part'; run on all; target seen; $$;
	create function second(out port int, out newest bigint) language plproxy as $$ cluster 'part_1'; run on any; target seen; $$;`

func newProxied(t *testing.T, w *replicas.World, form plproxy.Form) *proxied {
	t.Helper()
	p := &proxied{t: t, form: form, dsn: pgtest.Database(t, w.Root, nil), names: map[int]string{w.Root.Port(): "root"}, reads: map[string]int{}}
	for _, r := range w.Replicas {
		p.names[r.Server.Port()] = r.Name
	}
	admin := pgtest.Admin(t, w.Root, pgtest.DBName(t, p.dsn))
	pgtest.ExecAll(t, admin, "create extension plproxy", "grant usage on foreign data wrapper plproxy to "+pgtest.Role, functions)
	p.calls = w.Root.DSN(pgtest.DBName(t, p.dsn), replicas.Reader)
	return p
}

// keeper is one that is not running yet.
func (p *proxied) keeper(change func(*plproxy.Config)) *plproxy.Keeper {
	p.t.Helper()
	c := plproxy.Config{
		Job: "keeper", Proxy: pgtest.Config(p.t, p.dsn), Form: p.form, Write: "write", Read: "read",
		Callers: []string{replicas.Reader}, MaxLag: maxLag, Fallback: true,
	}
	change(&c)
	k, err := plproxy.New(c)
	if err != nil {
		p.t.Fatal(err)
	}
	k.Log, k.Every = p.log.Logger(), every
	if k.Install, err = schema.Proxy(); err != nil {
		p.t.Fatal(err)
	}
	return k
}

func requirePLProxy(t *testing.T, s *pgserver.Server) {
	t.Helper()
	pgtest.RequireExtension(t, s, "plproxy", fmt.Sprintf("Debian: apt-get install postgresql-%d-plproxy", s.Programs().Major))
}

// target is how the proxy reaches a database: as the caller.
func target(t *testing.T, s *pgserver.Server, dsn string) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s", s.Host(), s.Port(), pgtest.DBName(t, dsn))
}

func replicaOf(t *testing.T, r *replicas.Replica, weight int) plproxy.Replica {
	return plproxy.Replica{Name: r.Name, Pair: r.Pair, Weight: weight, Connect: target(t, r.Server, r.DSN)}
}

// journal is when the rows 1, 2, 3 … were known to be committed.
type journal struct {
	mu sync.Mutex
	at []time.Time
}

func (j *journal) until(at time.Time) (n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.at) - 1; i >= 0; i-- {
		if j.at[i].Before(at) {
			return int64(i + 1)
		}
	}
	return 0
}

// load writes through the first proxy and reads through all until ctx ends.
func load(ctx context.Context, list []*proxied, running *sync.WaitGroup) {
	j := &journal{}
	running.Go(func() {
		conn := pgtest.Connect(list[0].t, list[0].calls)
		for n := int64(1); ctx.Err() == nil; n++ {
			if _, err := conn.Exec(context.Background(), `select put($1)`, n); err != nil {
				list[0].t.Errorf("put: %v", err)
				return
			}
			j.mu.Lock()
			j.at = append(j.at, time.Now())
			j.mu.Unlock()
			time.Sleep(2 * time.Millisecond) // the load's pace
		}
	})
	for _, p := range list {
		running.Go(func() {
			conn := pgtest.Connect(p.t, p.calls)
			for ctx.Err() == nil {
				p.read(conn, j)
				time.Sleep(2 * time.Millisecond) // the load's pace
			}
		})
	}
}

func (p *proxied) read(conn *pgx.Conn, j *journal) {
	need := j.until(time.Now().Add(-bound))
	var port int
	var newest int64
	err := conn.QueryRow(context.Background(), `select port, newest from seen()`).Scan(&port, &newest)
	p.lock.Lock()
	defer p.lock.Unlock()
	switch {
	case err != nil:
		p.failed++
	case newest < need:
		p.t.Errorf("%s: %s has row %d, and %d was committed more than %s before", p.form, p.names[port], newest, need, bound)
	}
	if err == nil {
		p.reads[p.names[port]]++
	}
}

func (p *proxied) count(name string) (reads, failed int) {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.reads[name], p.failed
}

// more waits for reads at a replica.
func (p *proxied) more(name string, n int) {
	p.t.Helper()
	before, _ := p.count(name)
	pgtest.Eventually(p.t, 60*time.Second, fmt.Sprintf("%s: reads at %s\n%s", p.form, name, &p.log), func() bool {
		now, _ := p.count(name)
		return now >= before+n
	})
}

// spared wants reads at one replica, none at the other, and none that fails.
func (p *proxied) spared(none, some string) {
	p.t.Helper()
	before, failed := p.count(none)
	p.more(some, 100)
	if now, f := p.count(none); now != before || f != failed {
		p.t.Errorf("%s: %d reads at %s, %d failed", p.form, now-before, none, f-failed)
	}
}

// out waits until the keeper has taken a replica out that is late or dead since
// a time. It may have been out before: a busy machine makes both late.
func (p *proxied) out(name string, since time.Time) {
	p.t.Helper()
	pgtest.Eventually(p.t, 90*time.Second, string(p.form)+": "+name+" is taken out", func() bool {
		log := p.log.String()
		gone := strings.LastIndex(log, "Replica "+name+" gets no reads")
		return time.Since(since) > 2*maxLag && gone > strings.LastIndex(log, "Replica "+name+" gets reads") &&
			strings.Contains(log[gone:], "Cluster read leads to")
	})
}

// settled waits for a call that began before the clusters changed.
func (p *proxied) settled() {
	p.t.Helper()
	before := p.done()
	pgtest.Eventually(p.t, 90*time.Second, string(p.form)+": two calls more", func() bool { return p.done() >= before+2 })
}

func (p *proxied) done() (n int) {
	p.lock.Lock()
	defer p.lock.Unlock()
	n = p.failed
	for _, reads := range p.reads {
		n += reads
	}
	return n
}

// TestKeeper keeps two proxy databases, one of each form, while rows are written
// and read through them; one replica is stopped, then the other held back.
func TestKeeper(t *testing.T) {
	root := pgtest.Server(t)
	requirePLProxy(t, root)
	w := replicas.New(t, root, pgtest.Second(t), pgtest.Own(t, pgserver.Options{}))
	for _, dsn := range []string{w.RootDSN, w.Replicas[0].DSN, w.Replicas[1].DSN} {
		pgtest.Exec(t, pgtest.Connect(t, dsn), `
			create function put(i_id bigint) returns int language sql as 'insert into entry values (i_id); select 1';
			create function seen(out port int, out newest bigint) language sql as
				'select inet_server_port(), coalesce(max(id), 0) from entry';
			create function seen(i_n int, out port int, out newest bigint) language sql as 'select * from seen()'`)
	}
	list := []*proxied{newProxied(t, w, plproxy.Functions), newProxied(t, w, plproxy.SQLMED)}
	a, b := w.Replicas[0], w.Replicas[1]
	for _, p := range list {
		k := p.keeper(func(c *plproxy.Config) {
			c.Partitions = []plproxy.Partition{{
				Write: target(t, root, w.RootDSN), Replicas: []plproxy.Replica{replicaOf(t, a, 1), replicaOf(t, b, 2)},
			}}
		})
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s: %s", p.form, &p.log)
			}
		})
		pgtest.Start(t, "keeper", k.Run)
		pgtest.Eventually(t, 90*time.Second, "both replicas are in", func() bool {
			return p.log.Count("Cluster read leads to: (") > 0 && strings.Contains(p.log.String(), " 2 times")
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	load(ctx, list, &running)
	each := func(do func(p *proxied)) {
		t.Helper()
		for _, p := range list {
			do(p)
		}
	}
	each(func(p *proxied) { p.more("a", 100); p.more("b", 100) })

	if err := b.Server.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	each(func(p *proxied) { p.out("b", since); p.settled(); p.spared("b", "a") })
	if err := b.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	each(func(p *proxied) { p.more("b", 100) })

	held, err := pgtest.Connect(t, a.DSN).Begin(t.Context())
	if err == nil {
		_, err = held.Exec(t.Context(), `lock table entry in exclusive mode`) // reads go on, the worker waits
	}
	if err != nil {
		t.Fatal(err)
	}
	since = time.Now()
	each(func(p *proxied) { p.out("a", since); p.settled(); p.spared("a", "b") })
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	each(func(p *proxied) { p.more("a", 100) })
	cancel()
	running.Wait()
	partitions(t, w, list)
}

// partitions keeps two, which here have one provider: each slot leads to its own
// partition's replica.
func partitions(t *testing.T, w *replicas.World, list []*proxied) {
	t.Helper()
	a, b := w.Replicas[0], w.Replicas[1]
	write := target(t, w.Root, w.RootDSN)
	for _, p := range list {
		ports := func(sql string) []int {
			t.Helper()
			return pgtest.Column[int](t, pgtest.Connect(t, p.calls), sql)
		}
		once := func(lag time.Duration) {
			t.Helper()
			k := p.keeper(func(c *plproxy.Config) {
				c.Write, c.Read, c.MaxLag = "write_part", "part", lag
				c.Partitions = []plproxy.Partition{
					{Write: write, Replicas: []plproxy.Replica{replicaOf(t, a, 1)}},
					{Write: write, Replicas: []plproxy.Replica{replicaOf(t, b, 3)}},
				}
			})
			if err := k.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		once(time.Hour)
		want := fmt.Sprint([]int{a.Server.Port(), b.Server.Port()})
		if got := fmt.Sprint(ports(`select (shard(n)).port from generate_series(0, 1) n`)); got != want {
			t.Errorf("%s: the partitions are at %s, want %s", p.form, got, want)
		}
		if got := ports(`select port from shards() order by port = any(array[` + fmt.Sprint(b.Server.Port()) + `])`); fmt.Sprint(got) != want {
			t.Errorf("%s: all partitions are at %v, want %s", p.form, got, want)
		}
		if got := ports(`select (second()).port`); got[0] != b.Server.Port() {
			t.Errorf("%s: the second partition is at %v", p.form, got)
		}
		if p.form == plproxy.SQLMED { // a mapping of one's own, with a password, is used and stays
			pgtest.Exec(t, pgtest.Connect(t, p.dsn), `create user mapping for `+replicas.Reader+` server part options (user '`+replicas.Reader+`', password 'x')`)
		}
		once(time.Nanosecond) // nobody is so fresh
		if got := ports(`select (shard(n)).port from generate_series(0, 1) n`); got[0] != w.Root.Port() || got[1] != w.Root.Port() {
			t.Errorf("%s: without a fresh replica the partitions are at %v", p.form, got)
		}
	}
	// A version is new only where something has changed.
	own := pgtest.Connect(t, list[0].dsn)
	const versions = `select string_agg(cluster_name || ' ' || version, ', ' order by cluster_name) from plproxy.cluster where cluster_name ~ 'part'`
	if got := pgtest.One[string](t, own, versions); got != "part 2, part_0 2, part_1 2, write_part 1" {
		t.Errorf("versions: %s", got)
	}
	if _, err := pgtest.Connect(t, list[0].calls).Exec(t.Context(), `select * from plproxy.cluster_slot`); err == nil {
		t.Error("a caller reads the tables of clusters")
	}
}
