package doctor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// TestBacklogPolicy: maintenance warns, then detaches, loudly; status shows it,
// and the consumer comes back where it stood.
func TestBacklogPolicy(t *testing.T) {
	dsn := database(t)
	conn, listener := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, listener, `listen skytools_backlog`)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'slow'), skytools.set_queue_policy($1, 'backlog_warn_age', '1 hour')`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'd') from generate_series(1, 3)`, queue)
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue`)
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = tick_time - interval '90 minutes'`)
	log := new(pgtest.Journal)
	maintainer := &ticker.Maintainer{Database: pgtest.Config(t, dsn), Log: log.Logger(), Delay: 50 * time.Millisecond}
	pgtest.Start(t, "maintenance", maintainer.Run)
	pgtest.Eventually(t, 5*time.Second, "a warning", func() bool { return log.Count("consumer slow has a backlog") > 0 })
	status := readStatus(t, dsn)
	if len(status.Warnings) != 1 || len(status.Detached) != 0 || status.Warnings[0].Consumer != "slow" {
		t.Fatalf("%+v", status)
	}

	pgtest.Exec(t, conn, `select skytools.set_queue_policy($1, 'backlog_max_age', '80 minutes')`, queue)
	pgtest.Eventually(t, 5*time.Second, "the end", func() bool { return log.Count("consumer slow is detached at tick") == 1 })
	status = readStatus(t, dsn)
	if len(status.Warnings) != 0 || len(status.Detached) != 1 || len(status.Queues[0].Consumers) != 0 {
		t.Fatalf("%+v", status)
	}
	var text strings.Builder
	if err := status.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "! queue "+queue+": consumer slow was detached") {
		t.Error(text.String())
	}
	doc, err := json.Marshal(status)
	if err != nil || !strings.Contains(string(doc), `"detached_consumers":[{"queue_name":"`+queue+`","consumer_name":"slow","last_tick":1,`) {
		t.Errorf("%s, %v", doc, err)
	}
	for _, action := range []string{"warn", "detach"} {
		n, err := listener.WaitForNotification(t.Context())
		if err != nil || !strings.Contains(n.Payload, `"action" : "`+action+`"`) || n.Channel != pgq.BacklogChannel {
			t.Errorf("notified of %v, %v, want %s", n, err, action)
		}
	}

	pgtest.Exec(t, conn, `select skytools.set_queue_policy($1, 'backlog_max_age', null)`, queue)
	pgtest.Exec(t, conn, `select skytools.maint_thin_ticks($1)`, queue)
	if tick := pgtest.One[int](t, conn, `select skytools.attach_consumer($1, 'slow')`, queue); tick != 1 {
		t.Errorf("attached at tick %d", tick)
	}
	batch := pgtest.One[int](t, conn, `select pgq.next_batch($1, 'slow')`, queue)
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.get_batch_events($1)`, batch); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// TestForgottenConsumer: who keeps a queue's tables from being emptied is named.
func TestForgottenConsumer(t *testing.T) {
	conn := pgtest.Connect(t, database(t))
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'gone')`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'd') from generate_series(1, 1)`, queue)
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue`)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'alive')`, queue)
	var text strings.Builder
	j := &pgtest.Journal{}
	for _, period := range []string{"1 hour", "0"} {
		pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = $1`, period)
		if err := ticker.Maintain(t.Context(), conn, j.Logger()); err != nil {
			t.Fatal(err)
		}
		status, err := ReadStatus(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := status.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, c := range status.Queues[0].Consumers {
			if c.HoldsRotation != (c.Name == "gone" && period == "0") {
				t.Errorf("with period %s: %+v", period, c)
			}
		}
	}
	if j.Count("rotation waits for consumer gone") != 1 || strings.Count(text.String(), "  holds up rotation\n") != 1 {
		t.Errorf("not told, or told too often: %s", text.String())
	}
}

// TestEventsAside: retries and dead letters are counted for each consumer, once
// where members share a position, and none for a role that may not look at them.
// Queues' budgets are shown.
func TestEventsAside(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'alone'), pgq_coop.register_subconsumer($1, 'team', 'one'),
		pgq_coop.register_subconsumer($1, 'team', 'two'), skytools.set_queue_policy($1, 'backlog_max_bytes', '4096')`, queue)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'd') from generate_series(1, 3)`, queue)
	pgtest.Exec(t, conn, `select skytools.tick_write(queue_id) from pgq.queue`)
	alone := pgtest.One[int64](t, conn, `select pgq.next_batch($1, 'alone')`, queue)
	team := pgtest.One[int64](t, conn, `select pgq_coop.next_batch($1, 'team', 'one')`, queue)
	pgtest.Exec(t, conn, `select pgq.event_retry($1, ev_id, 60) from pgq.get_batch_events($1) limit 2`, alone)
	pgtest.Exec(t, conn, `select skytools.event_dead($1, array_agg(ev_id), 'why') from (select ev_id from pgq.get_batch_events($1) offset 2) e`, alone)
	pgtest.Exec(t, conn, `select pgq.event_retry($1, ev_id, 60) from pgq.get_batch_events($1)`, team)
	status := readStatus(t, dsn)
	if want := []pgq.Aside{{Queue: queue, Consumer: "alone", Retries: 2, Dead: 1}, {Queue: queue, Consumer: "team", Retries: 3}}; !slices.Equal(status.Aside, want) {
		t.Errorf("aside are %+v", status.Aside)
	}
	if want := []pgq.Budget{{Queue: queue, Bytes: 4096}}; !slices.Equal(status.Budgets, want) {
		t.Errorf("budgets are %+v", status.Budgets)
	}
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, admin, `begin`, `create role onlooker`, `set local role onlooker`) // gone with the transaction
	if aside, err := pgq.EventsAside(t.Context(), admin); err != nil || len(aside) != 0 {
		t.Errorf("without rights: %+v, %v", aside, err)
	}
}

func readStatus(t *testing.T, dsn string) Status {
	t.Helper()
	status, err := ReadStatus(t.Context(), pgtest.Connect(t, dsn))
	if err != nil {
		t.Fatal(err)
	}
	return status
}
