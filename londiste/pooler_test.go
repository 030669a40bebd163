package londiste_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
)

// TestThroughPooler: no session of ours is lent to others by a pooler in
// transaction mode, who would have its search path, and no trigger fire.
func TestThroughPooler(t *testing.T) {
	f := newFlow(t)
	through := pgtest.Config(t, pgtest.Pgbouncer(t, f.sub.Pair.Subscriber.ConnString()))
	through.DefaultQueryExecMode = pgx.QueryExecModeExec
	client, err := pgx.ConnectConfig(t.Context(), through)
	f.ok(err)
	t.Cleanup(func() { client.Close(t.Context()) })
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "a pooler in transaction mode stands between") || hint.Of(err) != session.Unpool {
			t.Errorf("%s: %v, hint %q", what, err, hint.Of(err))
		}
	}
	w := f.newWorker()
	w.Subscriber = through
	_, err = w.Pair.ConnectSubscriber(t.Context())
	refused("subscriber", err)
	_, err = session.Open(t.Context(), through, time.Second)
	refused("ticker", err)
	var log pgtest.Journal
	w.Log = log.Logger()
	start(t, w.Run)
	pgtest.Eventually(t, 20*time.Second, "the worker says it", func() bool {
		return log.Count("subscriber: a pooler in transaction mode stands between") > 0 && log.Count("pool_mode = session") > 0
	})
	for range 10 {
		var path, role string
		f.ok(client.QueryRow(t.Context(), `select current_setting('search_path'), current_setting('session_replication_role')`).Scan(&path, &role))
		if !strings.Contains(path, "public") || role != "origin" {
			t.Fatalf("another client of the pooler has search path %s, replication role %s", path, role)
		}
	}
}
