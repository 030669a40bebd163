package plproxy_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/plproxy"
	"github.com/skytools-go/skytools/test/replicas"
)

// alone is a proxy database without the extension, and a keeper of it that has no
// replica: reads lead to the provider.
func alone(t *testing.T, form plproxy.Form) *proxied {
	t.Helper()
	pgtest.Exec(t, pgtest.Admin(t, pgtest.Server(t), "postgres"),
		`do $$ begin if to_regrole('`+replicas.Reader+`') is null then create role `+replicas.Reader+` login; end if; end $$`)
	return &proxied{t: t, form: form, dsn: pgtest.Database(t, pgtest.Server(t), nil)}
}

func (p *proxied) toProvider(host string) *plproxy.Keeper {
	p.t.Helper()
	return p.keeper(func(c *plproxy.Config) { c.Partitions = []plproxy.Partition{{Write: "host=" + host}} })
}

// TestOneKeeper: a second one stands by and takes over; a single round says who
// is there; what somebody else has changed is made anew by the one that leads.
func TestOneKeeper(t *testing.T) {
	p := alone(t, plproxy.Functions)
	conn := pgtest.Connect(t, p.dsn)
	const slots = `select string_agg(c.cluster_name || ' ' || s, ', ' order by c.cluster_name)
		from plproxy.cluster c, plproxy.get_cluster_partitions(c.cluster_name) s`
	leads := func(host string) {
		t.Helper()
		want := "read host=" + host + ", write host=" + host
		pgtest.Eventually(t, 20*time.Second, want+"\n"+p.log.String(), func() bool {
			if pgtest.One[bool](t, conn, `select to_regclass('plproxy.cluster_slot') is null`) {
				return false
			}
			got := pgtest.One[*string](t, conn, slots)
			return got != nil && *got == want
		})
	}
	first, stop := p.toProvider("first"), make(chan struct{})
	first.Stop = stop
	pgtest.Start(t, "first", first.Run)
	leads("first")
	pgtest.Start(t, "second", p.toProvider("second").Run)
	pgtest.Eventually(t, 10*time.Second, "the second stands by", func() bool { return p.log.Count("This one stands by") == 1 })
	err := p.toProvider("third").Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another one keeps these clusters: process ") || !strings.Contains(hint.Of(err), "-s") {
		t.Errorf("a single round beside it: %v, hint %q", err, hint.Of(err))
	}
	leads("first")

	pgtest.Exec(t, conn, `select plproxy.set_cluster('keeper', 'read', array['host=other'], false)`)
	leads("first")
	pgtest.Exec(t, conn, `drop schema plproxy cascade`)
	leads("first")
	if n := pgtest.One[int](t, conn, `select count(*)::int from plproxy.cluster where version = 1`); n != 2 {
		t.Errorf("%d clusters with one version", n)
	}
	pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	pgtest.Eventually(t, 20*time.Second, "one leads", func() bool { return p.log.Count("This one stands by") >= 2 })
	close(stop)
	leads("second")
}

// TestForms: a server that is made anew has its grants again, and functions that
// PL/Proxy would never ask are refused.
func TestForms(t *testing.T) {
	p := alone(t, plproxy.SQLMED)
	requirePLProxy(t, pgtest.Server(t))
	pgtest.ExecAll(t, pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, p.dsn)),
		"create extension plproxy", "grant usage on foreign data wrapper plproxy to "+pgtest.Role)
	conn := pgtest.Connect(t, p.dsn)
	k, stop := p.toProvider("root"), make(chan struct{})
	k.Stop = stop
	pgtest.Start(t, "keeper", k.Run)
	const granted = `select count(*)::int from pg_foreign_server where has_server_privilege('` + replicas.Reader + `', oid, 'usage') and srvoptions @> array['p0=host=root']`
	both := func() bool { return pgtest.One[int](t, conn, granted) == 2 }
	pgtest.Eventually(t, 20*time.Second, "two servers", both)
	pgtest.ExecAll(t, conn, `drop server read cascade`, `alter server write options (set p0 'host=other')`)
	pgtest.Eventually(t, 20*time.Second, "two servers again\n"+p.log.String(), both)
	close(stop)

	p.form = plproxy.Functions
	if err := p.toProvider("root").Once(t.Context()); err == nil || !strings.Contains(err.Error(), "cluster write: a foreign server has this name") || !strings.Contains(hint.Of(err), "drop server") {
		t.Errorf("functions beside servers: %v, hint %q", err, hint.Of(err))
	}
}

// TestPooled: no lock outlasts a transaction behind such a pooler.
func TestPooled(t *testing.T) {
	p := alone(t, plproxy.Functions)
	p.dsn = pgtest.Pgbouncer(t, p.dsn)
	if err := p.toProvider("root").Once(t.Context()); err == nil || !strings.Contains(err.Error(), "a pooler in transaction mode stands between") || hint.Of(err) == "" {
		t.Errorf("through a pooler: %v, hint %q", err, hint.Of(err))
	}
}

// TestNoLock: a session that could not lock its clusters never writes them.
func TestNoLock(t *testing.T) {
	p := alone(t, plproxy.Functions)
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, p.dsn))
	pgtest.Exec(t, admin, `revoke execute on function pg_try_advisory_lock(bigint) from public`)
	pgtest.Start(t, "keeper", p.toProvider("root").Run)
	pgtest.Eventually(t, 20*time.Second, "the lock is refused", func() bool { return p.log.Count("pg_try_advisory_lock") > 0 })
	pgtest.Exec(t, admin, `grant execute on function pg_try_advisory_lock(bigint) to public`)
	pgtest.Eventually(t, 20*time.Second, "clusters", func() bool { return p.log.Count("Cluster read leads to") > 0 })
	const locks = `select count(*)::int from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`
	if n := pgtest.One[int](t, admin, locks); n != 2 {
		t.Errorf("%d clusters are locked, want 2", n)
	}
}

// frozen stops whoever logs a text.
type frozen struct {
	slog.Handler
	text  string
	until <-chan struct{}
}

func (f frozen) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, f.text) {
		<-f.until
	}
	return f.Handler.Handle(ctx, r)
}

// TestFrozenKeeper: the server ends the session of a keeper that does nothing any
// more, another one takes over, and the first finds that out when it goes on.
func TestFrozenKeeper(t *testing.T) {
	p := alone(t, plproxy.Functions)
	conn := pgtest.Connect(t, p.dsn)
	leads := func(host string) func() bool {
		return func() bool {
			return pgtest.One[bool](t, conn, `select to_regclass('plproxy.cluster_slot') is not null`) &&
				pgtest.One[int](t, conn, `select count(*)::int from plproxy.cluster_slot where connection = 'host=`+host+`'`) == 2
		}
	}
	first := p.toProvider("first")
	frost, goOn := context.WithCancel(t.Context())
	first.Log = slog.New(frozen{first.Log.Handler(), "Cluster read leads to", frost.Done()})
	pgtest.Start(t, "first", first.Run)
	t.Cleanup(goOn)
	pgtest.Eventually(t, 20*time.Second, "the first leads", leads("first"))
	pgtest.Start(t, "second", p.toProvider("second").Run)
	pgtest.Eventually(t, 10*time.Second, "the second stands by", func() bool { return p.log.Count("This one stands by") == 1 })
	if pgtest.Server(t).Programs().Major < 14 { // there TCP alone ends it, once the machine is gone
		pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()`)
	}
	pgtest.Eventually(t, 40*time.Second, "the second leads", leads("second"))
	goOn()
	pgtest.Eventually(t, 20*time.Second, "the first stands by", func() bool { return p.log.Count("This one stands by") == 2 })
	if !leads("second")() {
		t.Error("the first took the clusters back")
	}
}
