package web

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func install(ctx context.Context, conn *pgx.Conn) error {
	if _, err := schema.Install(ctx, conn, schema.Options{}); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `select pgq.create_queue('orders')`)
	return err
}

// Of a server those databases are read that have PgQ; a session that ends is made
// anew, and one in a database that is listed no longer is ended.
func TestDatabasesOfAServer(t *testing.T) {
	server := pgtest.Server(t)
	one, two := pgtest.Database(t, server, install), pgtest.Database(t, server, install)
	bare := pgtest.Database(t, server, nil)
	names := []string{pgtest.DBName(t, one), pgtest.DBName(t, two), pgtest.DBName(t, bare), "nowhere"}
	d := &Databases{Server: pgtest.Config(t, one), All: true, Only: names}
	t.Cleanup(d.Close)
	read := func(want ...string) []Database {
		t.Helper()
		view := d.Read(t.Context())
		if view.Err != nil || len(view.Databases) != len(want) {
			t.Fatalf("%+v, want %v", view, want)
		}
		for i, db := range view.Databases {
			if db.Name != want[i] {
				t.Errorf("database %d is %s, want %s", i, db.Name, want[i])
			}
		}
		return view.Databases
	}
	sorted := names[:2]
	if sorted[0] > sorted[1] {
		sorted[0], sorted[1] = sorted[1], sorted[0]
	}
	for _, db := range read(sorted...) {
		if db.Err != nil || len(db.Status.Queues) != 1 || db.Status.Queues[0].Name != "orders" {
			t.Errorf("%+v", db)
		}
	}
	admin := pgtest.Admin(t, server, "postgres")
	pgtest.Exec(t, admin, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`, sorted[0])
	if list := read(sorted...); list[0].Err == nil || list[1].Err != nil {
		t.Errorf("of an ended session: %v, %v", list[0].Err, list[1].Err)
	}
	if list := read(sorted...); list[0].Err != nil {
		t.Errorf("after it: %v", list[0].Err)
	}
	// One that is listed no longer is let go: else it could not be dropped.
	d.Only = sorted[:1]
	read(sorted[0])
	pgtest.Eventually(t, 10*time.Second, "no session in a database that is not listed", func() bool {
		return pgtest.One[int](t, admin, `select count(*)::int from pg_stat_activity where datname = $1`, sorted[1]) == 0
	})
}

// The only database without PgQ is an error that says what to do.
func TestDatabaseWithoutPgq(t *testing.T) {
	d := &Databases{Server: pgtest.Config(t, pgtest.Database(t, pgtest.Server(t), nil))}
	t.Cleanup(d.Close)
	if view := d.Read(t.Context()); len(view.Databases) != 1 || !errors.Is(view.Databases[0].Err, pgq.ErrNotInstalled) {
		t.Errorf("%+v", view)
	}
}

// Where the server is away there is no list, and the view says why.
func TestDatabasesOfADeadServer(t *testing.T) {
	config := pgtest.Config(t, pgtest.Database(t, pgtest.Server(t), nil))
	config.Port, config.Fallbacks = 1, nil
	d := &Databases{Server: config, All: true}
	if view := d.Read(t.Context()); view.Err == nil || view.Databases != nil {
		t.Errorf("%+v", view)
	}
}
