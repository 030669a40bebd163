package session_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestPoolingOf: a pooler is found whichever of its two free sessions it lends next.
func TestPoolingOf(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	for name, want := range map[string]session.Pooling{
		"":                       session.ByTransaction,
		"server_round_robin = 1": session.ByTransaction,
		"pool_mode = session":    session.BySession,
	} {
		through := pgtest.Config(t, pgtest.Pgbouncer(t, dsn, name))
		through.DefaultQueryExecMode = pgx.QueryExecModeExec
		var clients [2]*pgx.Conn
		for i := range clients {
			var err error
			if clients[i], err = pgx.ConnectConfig(t.Context(), through); err != nil {
				t.Fatal(err)
			}
			pgtest.ExecAll(t, clients[i], "begin", "select 1")
		}
		for _, c := range clients {
			pgtest.Exec(t, c, "commit")
		}
		if got, err := session.PoolingOf(t.Context(), clients[0]); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", name, got, err, want)
		}
		for _, c := range clients {
			session.Close(t.Context(), c)
		}
	}
	if got, err := session.PoolingOf(t.Context(), pgtest.Connect(t, dsn)); err != nil || got != session.Direct {
		t.Errorf("without a pooler: %v, %v", got, err)
	}
}
