package pgq

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestAdministration: each call says what it changed, each refusal has a name,
// in whatever mode statements are sent.
func TestAdministration(t *testing.T) {
	conn := connectMode(t, database(t), pgx.QueryExecModeExec)
	ctx := t.Context()
	yes := func(what string, done bool, err error) {
		t.Helper()
		if err != nil || !done {
			t.Errorf("%s: %v, %v", what, done, err)
		}
	}
	no := func(what string, done bool, err error) {
		t.Helper()
		if err != nil || done {
			t.Errorf("%s again: %v, %v", what, done, err)
		}
	}
	refused := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for _, check := range []func(string, bool, error){yes, no} {
		done, err := CreateQueue(ctx, conn, "new")
		check("create", done, err)
		done, err = Register(ctx, conn, "new", "c")
		check("register", done, err)
	}
	refused("drop", DropQueue(ctx, conn, "new"), ErrConsumersAttached)
	refused("drop nothing", DropQueue(ctx, conn, "nowhere"), ErrQueueNotFound)
	_, err := Register(ctx, conn, "nowhere", "c")
	refused("register nowhere", err, ErrQueueNotFound)
	_, err = RegisterAt(ctx, conn, "new", "c", 99)
	refused("register at no tick", err, ErrTickNotFound)
	done, err := RegisterAt(ctx, conn, "new", "other", 1)
	yes("register at", done, err)
	if err := SetConfig(ctx, conn, "new", []Setting{{"ticker_max_count", "7"}, {"rotation_period", "3600"}}); err != nil {
		t.Error(err)
	}
	refused("configure nothing", SetConfig(ctx, conn, "nowhere", []Setting{{"ticker_max_count", "7"}}), ErrQueueNotFound)
	q, err := ReadQueue(ctx, conn, "new")
	if err != nil || q.MaxCount != 7 || q.RotationPeriod.Hours() != 1 {
		t.Errorf("%+v, %v", q, err)
	}
	list, err := Consumers(ctx, conn)
	if err != nil || len(list) != 2 || list[0].Name != "c" || list[1].LastTick != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	pgtest.Exec(t, conn, `select pgq_coop.register_subconsumer('new', 'c', 'm')`)
	done, err = UnregisterMember(ctx, conn, "new", "c", "m")
	yes("unregister member", done, err)
	done, err = UnregisterMember(ctx, conn, "new", "c", "m")
	no("unregister member", done, err)
	done, err = Unregister(ctx, conn, "new", "other")
	yes("unregister", done, err)
	done, err = Unregister(ctx, conn, "new", "other")
	no("unregister", done, err)
	if n, err := RetryNow(ctx, conn, "new", "c", []EventID{1}); err != nil || n != 0 {
		t.Errorf("retry now: %d, %v", n, err)
	}
	if err := ForceDropQueue(ctx, conn, "new"); err != nil {
		t.Error(err)
	}
	_, err = ReadQueue(ctx, conn, "new")
	refused("read nothing", err, ErrQueueNotFound)
	empty := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), nil))
	_, err = CreateQueue(ctx, empty, "new")
	refused("create without PgQ", err, ErrNotInstalled)
}

// A clock that was put back makes nothing that lies in the future.
func TestFiguresAfterTheClockWasPutBack(t *testing.T) {
	conn := connectMode(t, database(t), pgx.QueryExecModeExec)
	pgtest.Exec(t, conn, `select pgq.create_queue('early'), pgq.register_consumer('early', 'c');
		update pgq.tick set tick_time = now() + interval '1 hour';
		update pgq.queue set queue_switch_time = now() + interval '1 hour';
		update pgq.subscription set sub_active = now() + interval '1 hour'`)
	q, err := ReadQueue(t.Context(), conn, "early")
	if err != nil || q.TickerLag != 0 || q.RotatedAgo != 0 {
		t.Errorf("%s since the last tick, %s since the rotation, %v", q.TickerLag, q.RotatedAgo, err)
	}
	list, err := Consumers(t.Context(), conn)
	if err != nil || len(list) != 1 || list[0].Lag != 0 || list[0].LastSeen != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}
