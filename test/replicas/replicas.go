// Package replicas gives tests a provider with several subscribers, each on a
// server as the test likes, replicating, and read by a role that owns nothing.
package replicas

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

// Queue is the queue between them.
const Queue = "londiste.write"

// Reader is the application's role: it owns nothing.
const Reader = "shop"

// World is a provider and its replicas, replicating table entry (id, item).
type World struct {
	Root     *pgserver.Server
	RootDSN  string // as the owner
	Replicas []*Replica
}

// Replica is one subscriber; its job is replica_ and its name.
type Replica struct {
	Name   string // a, b, c …
	Server *pgserver.Server
	DSN    string // as the owner
	Pair   set.Pair
}

func setUp(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create table entry (id bigint primary key, item text);
		grant select, insert on entry to `+Reader)
	if err == nil {
		_, err = schema.Install(ctx, conn, schema.Options{})
	}
	return err
}

// roles are what an administrator makes before the install.
func roles(t testing.TB, s *pgserver.Server, reads bool) {
	t.Helper()
	conn := pgtest.Admin(t, s, "postgres")
	for _, name := range []string{"pgq_reader", "pgq_writer", "pgq_admin", Reader} {
		pgtest.Exec(t, conn, fmt.Sprintf(`do $$ begin
			if to_regrole('%[1]s') is null then create role %[1]s; end if; end $$`, name))
	}
	pgtest.Exec(t, conn, `alter role `+Reader+` login`)
	if reads {
		pgtest.Exec(t, conn, `grant pgq_reader to `+Reader)
	}
}

// New makes a replica at each of the servers. A server may be named twice.
func New(t testing.TB, root *pgserver.Server, replicas ...*pgserver.Server) *World {
	t.Helper()
	roles(t, root, false)
	for _, s := range replicas {
		roles(t, s, true)
	}
	w := &World{Root: root, RootDSN: pgtest.Database(t, root, setUp)}
	for i, s := range replicas {
		r := &Replica{Name: string(rune('a' + i)), Server: s, DSN: pgtest.Database(t, s, setUp)}
		r.Pair = set.Pair{
			Job: "replica_" + r.Name, Queue: Queue,
			Provider: pgtest.Config(t, w.RootDSN), Subscriber: pgtest.Config(t, r.DSN),
		}
		w.Replicas = append(w.Replicas, r)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tables := londiste.Selection{Names: []string{"entry"}}
	prov := &londiste.Provider{Pair: w.Replicas[0].Pair}
	ok(prov.Install(t.Context(), install))
	ok(prov.AddTables(t.Context(), tables, londiste.Capture{}))
	pgtest.Start(t, "ticker", (&ticker.Ticker{Database: pgtest.Config(t, w.RootDSN), Log: slog.New(slog.DiscardHandler)}).Run)
	for _, r := range w.Replicas {
		sub := &londiste.Subscriber{Pair: r.Pair}
		ok(sub.Install(t.Context(), install))
		ok(sub.AddTables(t.Context(), tables, londiste.AddOptions{}))
		pgtest.Start(t, "worker "+r.Name, (&replay.Worker{Pair: r.Pair}).Run)
	}
	return w
}

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

// As is the pool of a role in the database of dsn.
func As(t testing.TB, s *pgserver.Server, dsn, role string) *pgxpool.Pool {
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
