package pgq

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestInsertTimed: events keep their times, NULL and empty fields and their
// order, get ids of the sequence, and are ticked as any others.
func TestInsertTimed(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	begin := last(t, conn)
	at := time.Date(2020, 2, 3, 4, 5, 6, 789000, time.UTC)
	var events []Event
	for i := range 2000 {
		events = append(events, Event{Time: at.Add(-time.Duration(i) * time.Hour), Type: "t", Data: fmt.Append(nil, i)})
	}
	events[0].Data, events[1].Data, events[0].Extra2 = nil, []byte{}, []byte("x2")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &Producer{Queue: queue}
	if may, err := MayTime(t.Context(), tx); err != nil || !may {
		t.Errorf("the owner may not: %v", err)
	}
	ids, err := p.InsertTimed(t.Context(), tx, events)
	if err == nil {
		err = tx.Commit(t.Context())
	}
	if err != nil || len(ids) != len(events) {
		t.Fatal(len(ids), err)
	}
	pgtest.Exec(t, conn, `select skytools.tick($1)`, queue)
	n := 0
	err = newOwnReader(conn, queue, 0).Stream(t.Context(), begin, last(t, conn), func(raw *RawEvent) error {
		got, want := raw.event(""), events[n]
		if got.ID != ids[n] || !got.Time.Equal(want.Time) || string(got.Data) != string(want.Data) ||
			(got.Data == nil) != (want.Data == nil) || string(got.Extra2) != string(want.Extra2) || (got.Extra1 == nil) != (want.Extra1 == nil) {
			t.Errorf("event %d: %+v, want %+v", n, got, want)
		}
		n++
		return nil
	})
	if err != nil || n != len(events) {
		t.Errorf("%d events, %v", n, err)
	}

	tx, err = conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context()) // the test is over
	if _, err := (&Producer{Queue: "none"}).InsertTimed(t.Context(), tx, events); !errors.Is(err, ErrQueueNotFound) {
		t.Errorf("no queue: %v", err)
	}
}

// TestIDBeforeNumber: whoever draws an event's number has the transaction's id
// by then. The sequence is locked, so that each way of writing stops there.
func TestIDBeforeNumber(t *testing.T) {
	dsn := database(t)
	owner, watcher := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	events := []Event{{Type: "t", Time: time.Now()}}
	p := &Producer{Queue: queue}
	for name, insert := range map[string]func(pgx.Tx) error{
		"Insert":      func(tx pgx.Tx) error { _, err := p.Insert(t.Context(), tx, events[0]); return err },
		"InsertMany":  func(tx pgx.Tx) error { _, err := p.InsertMany(t.Context(), tx, events); return err },
		"InsertTimed": func(tx pgx.Tx) error { _, err := p.InsertTimed(t.Context(), tx, events); return err },
		"InsertOnce": func(tx pgx.Tx) error {
			_, _, err := p.InsertOnce(t.Context(), tx, "k", time.Hour, events[0])
			return err
		},
		"insert_event_raw": func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `select pgq.insert_event_raw($1, null, now(), null, null, 't', 'd', null, null, null, null)`, queue)
			return err
		},
	} {
		pgtest.Exec(t, owner, `begin`)
		pgtest.Exec(t, owner, `alter sequence pgq.event_1_id_seq cache 1`)
		writer := pgtest.Connect(t, dsn)
		done := make(chan error, 1)
		go func() { done <- pgx.BeginFunc(t.Context(), writer, insert) }()
		var id *string
		pgtest.Eventually(t, 10*time.Second, name+" waits for its number", func() bool {
			return pgtest.One[bool](t, watcher, `select exists (select from pg_locks where pid = $1 and not granted)`, int(writer.PgConn().PID()))
		})
		if err := watcher.QueryRow(t.Context(), `select backend_xid::text from pg_stat_activity where pid = $1`,
			int(writer.PgConn().PID())).Scan(&id); err != nil || id == nil {
			t.Errorf("%s draws its number without a transaction id (%v)", name, err)
		}
		pgtest.Exec(t, owner, `rollback`)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
