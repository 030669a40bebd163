package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/router"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const queue = "londiste.write"

// reader is the application's role: it owns nothing.
const reader = "shop"

// world is a provider and its replicas, replicating.
type world struct {
	root     *pgserver.Server
	rootDSN  string
	replicas []*replica
}

type replica struct {
	name   string
	server *pgserver.Server
	dsn    string // as the owner
	pair   set.Pair
}

func setUp(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create table entry (id bigint primary key, item text);
		grant select, insert on entry to `+reader)
	if err == nil {
		_, err = schema.Install(ctx, conn, schema.Options{})
	}
	return err
}

// roles are what an administrator makes before the install.
func roles(t testing.TB, s *pgserver.Server, reads bool) {
	t.Helper()
	conn := pgtest.Admin(t, s, "postgres")
	for _, name := range []string{"pgq_reader", "pgq_writer", "pgq_admin", reader} {
		pgtest.Exec(t, conn, fmt.Sprintf(`do $$ begin
			if to_regrole('%[1]s') is null then create role %[1]s; end if; end $$`, name))
	}
	pgtest.Exec(t, conn, `alter role `+reader+` login`)
	if reads {
		pgtest.Exec(t, conn, `grant pgq_reader to `+reader)
	}
}

// newWorld makes a replica at each of the servers.
func newWorld(t testing.TB, root *pgserver.Server, replicas ...*pgserver.Server) *world {
	t.Helper()
	roles(t, root, false)
	for _, s := range replicas {
		roles(t, s, true)
	}
	w := &world{root: root, rootDSN: pgtest.Database(t, root, setUp)}
	for i, s := range replicas {
		r := &replica{name: string(rune('a' + i)), server: s, dsn: pgtest.Database(t, s, setUp)}
		r.pair = set.Pair{
			Job: "replica_" + r.name, Queue: queue,
			Provider: pgtest.Config(t, w.rootDSN), Subscriber: pgtest.Config(t, r.dsn),
		}
		w.replicas = append(w.replicas, r)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tables := londiste.Selection{Names: []string{"entry"}}
	prov := &londiste.Provider{Pair: w.replicas[0].pair}
	ok(prov.Install(t.Context(), install))
	ok(prov.AddTables(t.Context(), tables, londiste.Capture{}))
	pgtest.Start(t, "ticker", (&ticker.Ticker{Database: pgtest.Config(t, w.rootDSN), Log: slog.New(slog.DiscardHandler)}).Run)
	for _, r := range w.replicas {
		sub := &londiste.Subscriber{Pair: r.pair}
		ok(sub.Install(t.Context(), install))
		ok(sub.AddTables(t.Context(), tables, londiste.AddOptions{}))
		pgtest.Start(t, "worker "+r.name, (&replay.Worker{Pair: r.pair}).Run)
	}
	return w
}

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

// as is the pool of a role in the database of dsn.
func as(t testing.TB, s *pgserver.Server, dsn, role string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(s.DSN(pgtest.DBName(t, dsn), role))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// router of the world as its application has it, running.
func (w *world) router(t testing.TB, change func(*router.Config)) *router.Router {
	t.Helper()
	c := router.Config{Root: as(t, w.root, w.rootDSN, reader), Queue: queue}
	for _, r := range w.replicas {
		c.Replicas = append(c.Replicas, router.Replica{
			Name: r.name, Pool: as(t, r.server, r.dsn, reader), Consumer: r.pair.Job,
		})
	}
	if change != nil {
		change(&c)
	}
	r, err := router.New(c)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Start(t, "router", r.Run)
	return r
}

// fresh waits until all the replicas named get reads.
func fresh(t testing.TB, r *router.Router, names ...string) {
	t.Helper()
	pgtest.Eventually(t, 30*time.Second, fmt.Sprintf("replicas %v fresh", names), func() bool {
		for _, name := range names {
			if s := stands(r, name); s.Age == nil || *s.Age > r.MaxLag.Seconds() {
				return false
			}
		}
		return true
	})
}

func stands(r *router.Router, name string) router.ReplicaStatus {
	for _, s := range r.Status().Replicas {
		if s.Name == name {
			return s
		}
	}
	return router.ReplicaStatus{}
}
