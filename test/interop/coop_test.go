package interop

import (
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestCoopOnExtension: members share the batches of a consumer of the real
// extension, one that fell silent is fenced, and one that is unregistered with
// a batch open leaves it, and the others, alone.
func TestCoopOnExtension(t *testing.T) {
	_, conn := beside(t)
	pgtest.Exec(t, conn, `select pgq.create_queue('coop'), pgq_coop.register_subconsumer('coop', 'c', 'a')`)
	for _, data := range []string{"one", "two"} {
		pgtest.Exec(t, conn, `select pgq.insert_event('coop', 't', $1)`, data)
		pgtest.Exec(t, conn, `select pgq.force_tick('coop')`)
		pgtest.Exec(t, conn, `select pgq.ticker('coop')`)
	}
	next := func(member string) (batch int64, data []string) {
		t.Helper()
		batch = pgtest.One[int64](t, conn, `select batch_id from skytools.coop_next_batch('coop', 'c', $1, '1 hour')`, member)
		return batch, pgtest.Column[string](t, conn, `select ev_data from pgq.get_batch_events($1)`, batch)
	}
	first, data := next("a")
	want(t, "the first member's batch", data, "one")
	second, data := next("b")
	want(t, "the second member's batch", data, "two")

	pgtest.Exec(t, conn, `update pgq.subscription set sub_active = now() - interval '2 hours' where sub_batch = $1`, first)
	again, data := next("d")
	want(t, "the batch of a silent member", data, "one")
	if done := pgtest.One[int](t, conn, `select pgq_coop.finish_batch($1)`, first); again == first || done != 0 {
		t.Errorf("batch %d, then %d; the silent member's finish_batch returned %d", first, again, done)
	}
	pgtest.Exec(t, conn, `select pgq_coop.unregister_subconsumer('coop', 'c', 'b', 1)`)
	pgtest.Exec(t, conn, `select skytools.coop_finish_batch($1)`, again)
	third, data := next("d")
	want(t, "the batch of a member that is gone", data, "two")
	if third == second {
		t.Error("it kept its number")
	}
	pgtest.Exec(t, conn, `select skytools.coop_finish_batch($1)`, third)
	want(t, "consumers", pgtest.Column[string](t, conn, `select consumer_name from pgq.get_consumer_info('coop')`), "c", "c.d")
	if _, err := conn.Exec(t.Context(), `select skytools.coop_set_key('coop', 'c', 'ev_type')`); err == nil {
		t.Error("the order of keys is promised although the extension reads whole batches")
	}
}
