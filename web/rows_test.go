package web

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

// Events and dead letters of a real queue, and a server that is gone.
func TestRowsOfADatabase(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	conn := pgtest.Connect(t, dsn)
	if _, err := schema.Install(t.Context(), conn, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `select pgq.create_queue('q'), pgq.register_consumer('q', 'c')`)
	pgtest.Exec(t, conn, `select pgq.insert_event('q', 't' || i, '{"n": ' || i || '}') from generate_series(1, 60) i`)
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue`)
	batch := pgtest.One[int64](t, conn, `select pgq.next_batch('q', 'c')`)
	pgtest.Exec(t, conn, `select skytools.event_dead($1, array_agg(ev_id), 'no good') from (select ev_id from pgq.get_batch_events($1) limit 2) e`, batch)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	rows := NewRows(func(string) *pgx.ConnConfig { return config })
	events, err := rows.events(t.Context(), "", "q")
	if err != nil || len(events) != mostRows || events[0].Type != "t60" || events[0].Fields[0].Text != "{\n  \"n\": 60\n}" || events[49].Type != "t11" {
		t.Errorf("%d events, %v: %+v", len(events), err, events)
	}
	dead, err := rows.dead(t.Context(), "", "q")
	if err != nil || len(dead) != 2 || dead[0].Reason != "no good" || !strings.HasPrefix(dead[0].Replay, "pgqadm INI dead replay q c ") {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
	if _, err := rows.events(t.Context(), "", "none"); err == nil {
		t.Error("a queue that is not there has events")
	}
	gone := config.Copy()
	gone.Port = 1
	if _, err := NewRows(func(string) *pgx.ConnConfig { return gone }).events(t.Context(), "", "q"); err == nil {
		t.Error("a server that is gone has events")
	}
	if len(rows.one) != 0 {
		t.Error("a reader's place is not given back")
	}
}
