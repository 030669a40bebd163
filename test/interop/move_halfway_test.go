package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

// TestMoveBegunOnly: a move to the extension that waits for a transaction tells
// no writer where a queue stands; an install undoes it if it ends there, and
// stops it if it goes on.
func TestMoveBegunOnly(t *testing.T) {
	dsn, conn := ours(t)
	extended(t, pgtest.Server(t)) // for the roles
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.Exec(t, admin, `grant pgq_admin to `+pgtest.Role)
	install(t, conn)
	pgtest.Exec(t, conn, `create table entry (id int primary key)`)
	stands := func() string {
		return pgtest.One[string](t, conn, `select coalesce(skytools.queue_1_table()::text, 'ask')
			|| (select count(*) from pg_trigger where tgname = 'skytools_changed')`)
	}
	open := pgtest.Connect(t, dsn)
	for _, goesOn := range []bool{false, true} {
		pgtest.Exec(t, open, `begin; select txid_current()`)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := schema.ToExtension(ctx, admin, schema.Options{})
			ended <- err
		}()
		pgtest.Eventually(t, 20*time.Second, "the first step", func() bool { return stands() == "ask0" })
		if !goesOn {
			cancel()
			<-ended
			pgtest.Exec(t, conn, `select skytools.capture_install($1, 'public', 'entry')`, queue)
			if got := stands(); got != "ask0" {
				t.Errorf("a capture made it %s: nobody would tell of the next rotation", got)
			}
			admin = pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
		}
		install(t, conn)
		if got := stands(); got != "01" {
			t.Errorf("after an install it is %s", got)
		}
		pgtest.Exec(t, open, `rollback`)
		if !goesOn {
			continue
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "told writers again") || hint.Of(err) == "" {
			t.Errorf("with an install beside it the move ends with %v", err)
		}
	}
}

// TestMoveEndedBeforeInstall: a move that ends between its last step and the
// install is ended by running it again, and turned back by the other one.
func TestMoveEndedBeforeInstall(t *testing.T) {
	s := pgtest.Server(t)
	dsn, conn := beside(t)
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	t.Cleanup(func() { _ = failpoint.Arm("") })
	move := func(name, points string) {
		t.Helper()
		if err := failpoint.Arm(points); err != nil {
			t.Fatal(err)
		}
		to := map[string]installer{"from": schema.FromExtension, "to": schema.ToExtension}[name]
		_, err := to(t.Context(), admin, schema.Options{})
		if points == "" && err != nil || points != "" && !errors.Is(err, failpoint.ErrInjected) {
			t.Fatalf("%s, %q: %v", name, points, err)
		}
		pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'd')`, queue)
	}
	move("from", "install.after-commit=error@1")
	move("from", "")
	ends := movedCatalog(t, dsn)
	move("to", "install.after-commit=error@2")
	move("to", "")
	move("from", "")
	same(t, "from the extension", ends, movedCatalog(t, dsn))
	move("to", "install.after-commit=error@2")
	move("from", "")
	same(t, "from a move that had not ended", ends, movedCatalog(t, dsn))
	if again := install(t, conn); again.Changed() {
		t.Errorf("another install changes something: %+v", again)
	}
	if n := pgtest.One[int64](t, conn, `select count(*) from pgq.event_template`); n != 7 {
		t.Errorf("%d events", n)
	}
}

type installer = func(context.Context, *pgx.Conn, schema.Options) (schema.Report, error)
