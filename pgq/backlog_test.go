package pgq

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestBacklogPolicy: maintenance warns, then detaches, loudly; status shows it,
// and the consumer comes back where it stood.
func TestBacklogPolicy(t *testing.T) {
	dsn := database(t)
	conn, listener := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	exec(t, listener, `listen skytools_backlog`)
	exec(t, conn, `select pgq.register_consumer($1, 'slow'), skytools.set_queue_policy($1, 'backlog_warn_age', '1 hour')`, queue)
	write(t, conn, 3)
	makeTick(t, conn)
	exec(t, conn, `update pgq.tick set tick_time = tick_time - interval '90 minutes'`)
	log := new(journal)
	maintainer := &Maintainer{Database: config(t, dsn), Log: log.logger(), Delay: 50 * time.Millisecond}
	start(t, "maintenance", maintainer.Run)
	eventually(t, 5*time.Second, "a warning", func() bool { return log.count("consumer slow has a backlog") > 0 })
	status := readStatus(t, dsn)
	if len(status.Warnings) != 1 || len(status.Detached) != 0 || status.Warnings[0].Consumer != "slow" {
		t.Fatalf("%+v", status)
	}

	exec(t, conn, `select skytools.set_queue_policy($1, 'backlog_max_age', '80 minutes')`, queue)
	eventually(t, 5*time.Second, "the end", func() bool { return log.count("consumer slow is detached at tick") == 1 })
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
		if err != nil || !strings.Contains(n.Payload, `"action" : "`+action+`"`) || n.Channel != BacklogChannel {
			t.Errorf("notified of %v, %v, want %s", n, err, action)
		}
	}

	exec(t, conn, `select skytools.set_queue_policy($1, 'backlog_max_age', null)`, queue)
	exec(t, conn, `select skytools.maint_thin_ticks($1)`, queue)
	if tick := one[int](t, conn, `select skytools.attach_consumer($1, 'slow')`, queue); tick != 1 {
		t.Errorf("attached at tick %d", tick)
	}
	batch := one[int](t, conn, `select pgq.next_batch($1, 'slow')`, queue)
	if n := one[int](t, conn, `select count(*)::int from pgq.get_batch_events($1)`, batch); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// TestDetachSparesWhoWorks: a consumer whose row is held is left alone; one
// that has caught up before the lock is, too.
func TestDetachSparesWhoWorks(t *testing.T) {
	dsn := database(t)
	conn, worker := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	exec(t, conn, `select pgq.register_consumer($1, 'c'), skytools.set_queue_policy($1, 'backlog_max_age', '1 hour')`, queue)
	write(t, conn, 1)
	makeTick(t, conn)
	exec(t, conn, `update pgq.tick set tick_time = tick_time - interval '90 minutes'`)
	exec(t, worker, `begin`)
	batch := one[int](t, worker, `select pgq.next_batch($1, 'c')`, queue)
	exec(t, conn, `set lock_timeout = '1s'; select skytools.maint_backlog()`)
	exec(t, worker, `select pgq.finish_batch($1)`, batch)
	exec(t, worker, `commit`)
	exec(t, conn, `select skytools.maint_backlog()`)
	if n := one[int](t, conn, `select count(*)::int from skytools.detached_consumer`); n != 0 {
		t.Error("detached although it works")
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
