package capture

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestQueueChanges changes the queue while sessions write that have its state
// in their plans, one of them with an old snapshot.
func TestQueueChanges(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Server(t)
	dsn := pgtest.Database(t, s, setup)
	admin, writer, old := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	do := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	id := 0
	write := func(conn *pgx.Conn) error {
		id++
		_, err := conn.Exec(ctx, fmt.Sprintf("insert into t values (%d)", id))
		return err
	}
	writes := func(conn *pgx.Conn, table int) {
		t.Helper()
		if err := write(conn); err != nil {
			t.Fatal(err)
		}
		var found int
		sql := fmt.Sprintf("select count(*) from only pgq.event_1_%d where ev_data::json ->> 'id' = '%d'", table, id)
		if err := conn.QueryRow(ctx, sql).Scan(&found); err != nil || found != 1 {
			t.Errorf("row %d: %d events in table %d (%v)", id, found, table, err)
		}
	}
	refused := func(conn *pgx.Conn, text string) {
		t.Helper()
		var pg *pgconn.PgError
		if err := write(conn); !errors.As(err, &pg) || pg.Message != text {
			t.Errorf("row %d: error %v, want %q", id, err, text)
		}
	}
	const rotate = `update pgq.queue set queue_cur_table = (queue_cur_table + 1) % queue_ntables`

	do(admin, "create table t (id int primary key); select skytools.capture_install('q', 'public', 't')")
	do(old, "begin isolation level repeatable read")
	writes(old, 0)
	writes(old, 0)
	for range 3 {
		writes(writer, 0)
	}
	do(admin, rotate)
	writes(writer, 1)
	writes(old, 1) // newer than its snapshot
	do(old, "commit")
	writes(old, 1)

	do(admin, "begin")
	do(admin, rotate)
	writes(writer, 1) // not committed yet
	do(admin, "rollback")
	writes(writer, 1)

	do(admin, "update pgq.queue set queue_disable_insert = true")
	refused(writer, "Insert into queue disallowed")
	do(writer, "begin; insert into t select where false; rollback") // nothing to write
	do(admin, "update pgq.queue set queue_disable_insert = false")
	writes(writer, 1)

	do(pgtest.Admin(t, s, databaseOf(t, dsn)), "set session_replication_role = replica; update pgq.queue set queue_per_tx_limit = 2")
	do(writer, "begin")
	writes(writer, 1)
	writes(writer, 1)
	var pg *pgconn.PgError
	if err := write(writer); !errors.As(err, &pg) || pg.Code != "53400" {
		t.Errorf("a third event of a transaction: %v", err)
	}
	do(writer, "rollback")
	do(admin, "update pgq.queue set queue_per_tx_limit = null")
	writes(writer, 1)

	do(admin, "update pgq.queue set queue_name = 'other'")
	refused(writer, "No such queue")
	do(admin, "update pgq.queue set queue_name = 'q'")
	writes(writer, 1)

	do(admin, "begin; create table u (id int primary key); select skytools.capture_install('q', 'public', 'u')")
	if _, err := old.Exec(ctx, "set lock_timeout = '100ms'; "+rotate); !errors.As(err, &pg) || pg.Code != "55P03" {
		t.Errorf("a change beside a capture being made: %v", err)
	}
	do(admin, "commit")

	do(admin, "select pgq.drop_queue('q', true)")
	refused(writer, "No such queue")
	do(admin, "select pgq.create_queue('q')")
	refused(writer, "No such queue")
	do(admin, "select skytools.capture_install('q', 'public', 't')")
	if err := write(writer); err != nil {
		t.Errorf("after capture was made anew: %v", err)
	}
	do(admin, "select skytools.capture_remove('q', 'public', 't'), skytools.capture_remove('q', 'public', 'u'), pgq.drop_queue('q')")
	var left []string
	err := admin.QueryRow(ctx, `select coalesce(array_agg(proname), '{}') from pg_proc
		where pronamespace = 'skytools'::regnamespace and proname ~ '\d'`).Scan(&left)
	if err != nil || len(left) > 0 {
		t.Errorf("left of the capture: %v, %v", left, err)
	}
}

// TestQueueChangesWhilePlanning changes the queue's state all the time while new
// sessions plan the statements of a capture function one after the other.
func TestQueueChangesWhilePlanning(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), setup)
	conn := pgtest.Connect(t, dsn)
	if _, err := conn.Exec(t.Context(), "create table t (id serial primary key); select skytools.capture_install('q', 'public', 't')"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	changes, changed := pgtest.Connect(t, dsn), make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			_, err := changes.Exec(context.Background(), `update pgq.queue set queue_per_tx_limit = case when queue_per_tx_limit is null then 1000 end`)
			if err != nil {
				t.Error(err)
				break
			}
			n++
		}
		changed <- n
	}()
	const sessions = 400
	for range sessions {
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first one makes the session's setting
			if _, err := c.Exec(t.Context(), "insert into t default values"); err != nil {
				t.Error(err)
			}
		}
		_ = c.Close(t.Context())
	}
	stop()
	if n := <-changed; n < sessions/4 {
		t.Errorf("only %d changes", n)
	}
	var events int
	if err := conn.QueryRow(t.Context(), "select count(*) from pgq.event_1").Scan(&events); err != nil || events != 2*sessions {
		t.Errorf("%d events of %d rows (%v)", events, 2*sessions, err)
	}
}
