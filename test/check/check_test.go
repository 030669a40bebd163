package check_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/test/check"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

// recorder collects what would fail a test.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// TestEachInvariantCanFail breaks each of them in turn.
func TestEachInvariantCanFail(t *testing.T) {
	ctx := t.Context()
	provider := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), install))
	subscriber := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), install))
	exec := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(provider, "select pgq.create_queue('q'); select pgq.register_consumer('q', 'job')")
	for range 3 {
		exec(provider, "select pgq.insert_event('q', 'x', 'y')")
		exec(provider, "select skytools.tick('q')")
	}
	exec(subscriber, `insert into pgq_node.node_location values ('q', 'root', 'x'), ('q', 'leaf', 'y');
		insert into pgq_node.node_info (queue_name, node_type, node_name, worker_name) values ('q', 'leaf', 'leaf', 'job');
		insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id) values ('q', 'job', 'root', 2)`)
	check.WatchRotation(ctx, t, provider, "q")
	pair := check.Pair{Provider: provider, Subscriber: subscriber, Queue: "q", Consumer: "job"}
	pair.Invariants(ctx, t)

	for _, c := range []struct {
		conn    *pgx.Conn
		sql, by string
	}{
		{provider, "update pgq.tick set tick_snapshot = '1:1:' where tick_id = 3", "does not cover"},
		{provider, "update pgq.tick set tick_event_seq = 0 where tick_id = 3", "is older than"},
		{provider, "update pgq.tick set tick_snapshot = (select tick_snapshot from pgq.tick where tick_id = 1) where tick_id = 3", "lie in 2 batches"},
		{subscriber, "update pgq_node.local_state set last_tick_id = 99", "the provider's last is"},
		{subscriber, "update pgq_node.local_state set last_tick_id = 0", "the provider was told"},
		{provider, "delete from pgq.tick where tick_id = 1", "is gone for consumers"},
		{subscriber, "insert into skytools.table_counter (queue_name, consumer_name, table_name, events) values ('q', 'job', 't', 1)", "do not add up"},
		{provider, "select pgq.register_consumer('q', 'job.copy.t')", "consumers of copies"},
		{subscriber, "insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id) values ('q', 'job.copy.t', 'root', 1)", "positions of copies"},
		{subscriber, "insert into londiste.pending_fkeys values ('a', 'b', 'c', 'd')", "foreign keys"},
		{subscriber, "insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl) values ('q', 't', 'index', 'i', 'd')", "indexes"},
		{provider, "truncate pgq.event_1_0", "emptied too early"},
	} {
		// Each is broken inside a transaction that is rolled back again.
		exec(c.conn, "begin")
		exec(c.conn, c.sql)
		r := &recorder{TB: t}
		pair.Invariants(ctx, r)
		exec(c.conn, "rollback")
		if !strings.Contains(strings.Join(r.said, "; "), c.by) {
			t.Errorf("%s: found %q, want %q", c.sql, r.said, c.by)
		}
	}
	pair.Invariants(ctx, t)
}
