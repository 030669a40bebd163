package doctor

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const queue = "q.one"

// install is the set-up of the tests: our schema, one queue.
func install(ctx context.Context, conn *pgx.Conn) error {
	if _, err := schema.Install(ctx, conn, schema.Options{}); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `select pgq.create_queue($1)`, queue)
	return err
}

// database is a fresh database with our schema and one queue.
func database(t testing.TB) (dsn string) {
	t.Helper()
	return pgtest.Database(t, pgtest.Server(t), install)
}
