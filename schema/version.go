package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Number is the version of the schemas in this program. It grows with every
// release whose schemas differ; pgq.version() answers it as 3.5.Number, so
// that tickers made for PgQ 3.5 serve the database.
const Number = 3

// Version tells which version of the schemas the database holds, 0 if none.
func Version(ctx context.Context, conn *pgx.Conn) (int, error) {
	var there bool
	err := conn.QueryRow(ctx, `select to_regclass('skytools.installation') is not null`).Scan(&there)
	if err != nil || !there {
		return 0, wrapVersion(err)
	}
	var version int
	err = conn.QueryRow(ctx, `select version from skytools.installation`).Scan(&version)
	return version, wrapVersion(err)
}

func wrapVersion(err error) error {
	if err != nil {
		return fmt.Errorf("read version of the schemas: %w", err)
	}
	return nil
}
