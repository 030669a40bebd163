package pgq

import (
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestDetachSparesWhoWorks: a consumer whose row is held is left alone; one
// that has caught up before the lock is, too.
func TestDetachSparesWhoWorks(t *testing.T) {
	dsn := database(t)
	conn, worker := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c'), skytools.set_queue_policy($1, 'backlog_max_age', '1 hour')`, queue)
	write(t, conn, 1)
	makeTick(t, conn)
	pgtest.Exec(t, conn, `update pgq.tick set tick_time = tick_time - interval '90 minutes'`)
	pgtest.Exec(t, worker, `begin`)
	batch := pgtest.One[int](t, worker, `select pgq.next_batch($1, 'c')`, queue)
	pgtest.Exec(t, conn, `set lock_timeout = '1s'; select skytools.maint_backlog()`)
	pgtest.Exec(t, worker, `select pgq.finish_batch($1)`, batch)
	pgtest.Exec(t, worker, `commit`)
	pgtest.Exec(t, conn, `select skytools.maint_backlog()`)
	if n := pgtest.One[int](t, conn, `select count(*)::int from skytools.detached_consumer`); n != 0 {
		t.Error("detached although it works")
	}
}
