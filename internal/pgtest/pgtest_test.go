package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func query[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

var setups int

func makeEntry(ctx context.Context, conn *pgx.Conn) error {
	setups++
	_, err := conn.Exec(ctx, "create table entry (id serial primary key, item text); insert into entry (item) values ('one')")
	return err
}

func TestDatabase(t *testing.T) {
	s := Server(t)
	a := Connect(t, Database(t, s, makeEntry))
	b := Connect(t, Database(t, s, makeEntry))
	run(t, a, "insert into entry (item) values ('two')")
	if n := query[int](t, a, "select count(*) from entry"); n != 2 {
		t.Errorf("first clone has %d rows, want 2", n)
	}
	if n := query[int](t, b, "select count(*) from entry"); n != 1 {
		t.Errorf("second clone has %d rows, want the template's 1", n)
	}
	if setups != 1 {
		t.Errorf("setup ran %d times, want once", setups)
	}
	if who := query[string](t, a, "select current_user"); who != Role {
		t.Errorf("connected as %s, want %s", who, Role)
	}
	if super := query[bool](t, a, "select rolsuper or rolcreaterole or rolreplication or rolbypassrls from pg_roles where rolname = current_user"); super {
		t.Error("the tests' role is no ordinary one")
	}
	if owner := query[string](t, a, "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"); owner != Role {
		t.Errorf("the database belongs to %s, want %s", owner, Role)
	}
}

func TestDatabaseWithClosure(t *testing.T) {
	s := Server(t)
	for _, item := range []string{"x", "y"} {
		conn := Connect(t, Database(t, s, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "create table "+item+" (id int)")
			return err
		}))
		if got := query[string](t, conn, "select relname::text from pg_class where relname in ('x', 'y')"); got != item {
			t.Errorf("closure over %s got the template of %s", item, got)
		}
	}
}

func TestTwoServers(t *testing.T) {
	a, b := Server(t), Second(t)
	const sysid = "select system_identifier::text from pg_control_system()"
	if x, y := query[string](t, Admin(t, a, "postgres"), sysid), query[string](t, Admin(t, b, "postgres"), sysid); x == y {
		t.Errorf("both servers have system identifier %s", x)
	}
}
