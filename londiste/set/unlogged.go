package set

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Witness is a token that is another one after the server has emptied its
// unlogged tables, which recovery does, and a base backup.
func Witness(ctx context.Context, conn *pgx.Conn) (token string, err error) {
	err = failpoint.Commit(failpoint.Witness, func() error {
		token, err = One[string](ctx, conn, "select skytools.witness()")
		return err
	})
	return token, err
}

// Unlogged tells whether a table, or a partition of it, is unlogged.
func Unlogged(ctx context.Context, q Queryer, table ident.Name) (bool, error) {
	return One[bool](ctx, q, `select exists (select from pg_class c
		where c.relpersistence = 'u' and c.oid in (select to_regclass($1)::oid
			union all select relid::oid from pg_partition_tree(to_regclass($1))))`, table.SQL())
}
