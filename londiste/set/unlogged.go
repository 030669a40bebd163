package set

import (
	"context"
	"fmt"

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

// Witnesses are those of both sides, with what server the provider is.
type Witnesses struct {
	Server               Identity
	Provider, Subscriber string
}

// ReadWitnesses reads them, and makes those that are not there.
func ReadWitnesses(ctx context.Context, prov, sub *pgx.Conn) (w Witnesses, err error) {
	if w.Server, err = Identify(ctx, prov); err == nil {
		w.Provider, err = Witness(ctx, prov)
	}
	if err != nil {
		return w, fmt.Errorf("provider: %w", err)
	}
	if w.Subscriber, err = Witness(ctx, sub); err != nil {
		err = fmt.Errorf("subscriber: %w", err)
	}
	return w, err
}

// Unlogged tells whether a table, or a partition of it, is unlogged.
func Unlogged(ctx context.Context, q Queryer, table ident.Name) (bool, error) {
	return One[bool](ctx, q, `select exists (select from pg_class c
		where c.relpersistence = 'u' and c.oid in (select to_regclass($1)::oid
			union all select relid::oid from pg_partition_tree(to_regclass($1))))`, table.SQL())
}
