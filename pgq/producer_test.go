package pgq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
)

// All that a producer may be given.
var _ = []DB{(*pgx.Conn)(nil), pgx.Tx(nil), (*pgxpool.Pool)(nil), (*pgxpool.Conn)(nil), (*pgxpool.Tx)(nil)}

// modes are pgx's ways to send a statement; behind pgbouncer only some work.
var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func connectMode(t testing.TB, dsn string, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	cfg := pgtest.Config(t, dsn)
	cfg.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(context.Background(), conn) })
	return conn
}

// stored are the queue's events as their table has them, NULL as "-".
func stored(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	return pgtest.Column[string](t, conn, `select concat_ws('|', ev_id, ev_type, coalesce(ev_data, '-'), coalesce(ev_extra1, '-'),
		coalesce(ev_extra2, '-'), coalesce(ev_extra3, '-'), coalesce(ev_extra4, '-')) from pgq.event_1 order by ev_id`)
}

// TestProducerFields: every field arrives as it was, one or many, whatever
// pgx's mode.
func TestProducerFields(t *testing.T) {
	events := []Event{
		{Type: "a", Data: []byte(`{"n":"ü"}`)},
		{Type: "", Data: []byte{}, Extra1: []byte("1"), Extra3: []byte{}},
		{Type: "c", Extra2: []byte(`{"x",NULL}`), Extra4: []byte("mine")},
	}
	want := []string{`a|{"n":"ü"}|-|-|-|here`, `||1|-||here`, `c|-|-|{"x",NULL}|-|mine`}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			conn := connectMode(t, database(t), mode)
			p := &Producer{Queue: queue, Trace: func(context.Context) string { return "here" }}
			for _, ev := range events {
				if _, err := p.Insert(t.Context(), conn, ev); err != nil {
					t.Fatal(err)
				}
			}
			ids, err := p.InsertMany(t.Context(), conn, events)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for i := range 6 {
				all = append(all, fmt.Sprintf("%d|%s", i+1, want[i%3]))
			}
			if got := stored(t, conn); !slices.Equal(got, all) {
				t.Errorf("stored\n%q\nwant\n%q", got, all)
			}
			if !slices.Equal(ids, []EventID{4, 5, 6}) {
				t.Errorf("ids %v", ids)
			}
		})
	}
}

// TestProducerErrors: each refusal has its name, and writes nothing.
func TestProducerErrors(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	ctx := t.Context()
	refused := func(what string, p *Producer, n int, want error) {
		t.Helper()
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx) // always
		if n == 1 {
			_, err = p.Insert(ctx, tx, Event{Type: "x"})
		} else {
			_, err = p.InsertMany(ctx, tx, make([]Event, n))
		}
		if !errors.Is(err, want) {
			t.Errorf("%s, %d events: %v, want %v", what, n, err, want)
		}
	}
	here := &Producer{Queue: queue}
	for _, n := range []int{1, 3} {
		refused("unknown queue", &Producer{Queue: "nowhere"}, n, ErrQueueNotFound)
		pgtest.Exec(t, conn, `update pgq.queue set queue_disable_insert = true`)
		refused("disabled queue", here, n, ErrInsertDisallowed)
		pgtest.Exec(t, conn, `update pgq.queue set queue_disable_insert = false, queue_per_tx_limit = $1`, n-1)
		refused("limit", here, n, ErrTxLimit)
		pgtest.Exec(t, conn, `update pgq.queue set queue_per_tx_limit = null`)
	}
	pgtest.Exec(t, conn, `update pgq.queue set queue_per_tx_limit = 4`)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = here.InsertMany(ctx, tx, make([]Event, 3)); err == nil {
		_, err = here.Insert(ctx, tx, Event{})
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		t.Fatalf("four events of four: %v", err)
	}
	if got := stored(t, conn); len(got) != 4 {
		t.Errorf("stored %q", got)
	}
	_, err = conn.Exec(ctx, `select skytools.insert_events($1, array['a','b'], array['x'])`, queue)
	if err == nil {
		t.Error("arrays of different lengths were taken")
	}
	pgtest.Exec(t, conn, `drop schema pgq cascade`)
	refused("no schema", here, 1, ErrNotInstalled)
}

// TestInsertSeq: order and number stay over many statements.
func TestInsertSeq(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	const n = 2*manyEvents + 7
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	written, err := (&Producer{Queue: queue}).InsertSeq(t.Context(), tx, func(yield func(Event) bool) {
		for i := range n {
			if !yield(Event{Type: "t", Data: fmt.Append(nil, i)}) {
				return
			}
		}
	})
	if err == nil {
		err = tx.Commit(t.Context())
	}
	if err != nil || written != n {
		t.Fatalf("%d events, %v", written, err)
	}
	wrong := pgtest.One[int](t, conn, `select count(*)::int from (
		select ev_data::int as d, row_number() over (order by ev_id) - 1 as nr from pgq.event_1) e where d <> nr`)
	if total := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1`); wrong != 0 || total != n {
		t.Errorf("%d events, %d out of order", total, wrong)
	}
}

// TestInsertManyAcrossRotation: a transaction whose snapshot is older than two
// rotations writes many events where readers look for them.
func TestInsertManyAcrossRotation(t *testing.T) {
	dsn := database(t)
	conn, old := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '1 millisecond'`)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	prev := last(t, conn)
	tx, err := old.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select 1`); err != nil {
		t.Fatal(err)
	}
	rotate := func() {
		pgtest.Exec(t, conn, `select pgq.maint_rotate_tables_step1($1)`, queue)
		pgtest.Exec(t, conn, `select pgq.maint_rotate_tables_step2()`)
	}
	rotate()
	if _, err := (&Producer{Queue: queue}).InsertMany(t.Context(), tx, make([]Event, 10)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		rotate()
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	cur := makeTick(t, conn)
	rotate()
	if ids, _ := read(t, NewReader(conn, queue), prev, cur); len(ids) != 10 {
		t.Errorf("%d events of 10", len(ids))
	}
}

// TestProducerOverExtension: the same over the extension of Debian's package.
func TestProducerOverExtension(t *testing.T) {
	s := pgtest.Server(t)
	pgtest.RequireExtension(t, s, "pgq", "apt-get install postgresql-NN-pgq3")
	admin := pgtest.Admin(t, s, pgtest.DBName(t, pgtest.Database(t, s, nil)))
	pgtest.Exec(t, admin, `create extension pgq`)
	pgtest.Exec(t, admin, `select pgq.create_queue($1)`, queue)
	p := &Producer{Queue: queue}
	ids, err := p.InsertMany(t.Context(), admin, []Event{{Type: "a", Data: []byte("1")}, {Type: "b", Extra1: []byte("e")}})
	if err != nil || !slices.Equal(ids, []EventID{1, 2}) {
		t.Fatalf("%v, %v", ids, err)
	}
	if got, want := stored(t, admin), []string{"1|a|1|-|-|-|-", "2|b|-|e|-|-|-"}; !slices.Equal(got, want) {
		t.Errorf("stored %q", got)
	}
	_, err = (&Producer{Queue: "nowhere"}).Insert(t.Context(), admin, Event{})
	if !errors.Is(err, ErrQueueNotFound) {
		t.Errorf("unknown queue: %v", err)
	}
	pgtest.Exec(t, admin, `update pgq.queue set queue_disable_insert = true`)
	if _, err = p.Insert(t.Context(), admin, Event{}); !errors.Is(err, ErrInsertDisallowed) {
		t.Errorf("disabled queue: %v", err)
	}
	pgtest.Exec(t, admin, `update pgq.queue set queue_disable_insert = false, queue_per_tx_limit = 1`)
	if _, err = p.InsertMany(t.Context(), admin, make([]Event, 2)); !errors.Is(err, ErrTxLimit) {
		t.Errorf("limit: %v", err)
	}
}
