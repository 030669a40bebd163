package set

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
)

// fkey is a foreign key that is, or was, on tables of the set.
type fkey struct {
	from, to ident.Name
	name     string
	def      string // the statement that makes it
}

// PinnedPath makes the server qualify every name that it writes into a
// definition, and read it so.
const PinnedPath = `set local search_path = pg_catalog`

// DropFkeys saves and drops the foreign keys for which a condition holds, each
// in a transaction of its own: two tables are locked for each, not all of them
// for as long as it takes. One caller at a time, else two whose tables refer
// to each other find the same key, or wait for each other.
func DropFkeys(ctx context.Context, p *Pair, alone *semaphore.Weighted, write Writer, where string, args ...any) error {
	if err := alone.Acquire(ctx, 1); err != nil {
		return err
	}
	defer alone.Release(1)
	for {
		dropped := false
		err := write(failpoint.Fkey, func(tx pgx.Tx) error {
			if err := BeginDDL(ctx, tx, p); err != nil {
				return err
			}
			key, found, err := oneFkey(ctx, tx, where, args...)
			if err != nil || !found {
				return err
			}
			p.Logger().Info("Dropping foreign key", "table", key.from.String(), "name", key.name)
			dropped = true
			return key.drop(ctx, tx)
		})
		if err != nil || !dropped {
			return err
		}
	}
}

// BeginDDL bounds how long a lock is waited for: whoever queues behind the
// wait is stopped too.
func BeginDDL(ctx context.Context, tx pgx.Tx, p *Pair) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("%s; set local lock_timeout = '%dms'", PinnedPath, p.LockWait().Milliseconds()))
	return err
}

// oneFkey finds a foreign key for which a condition holds.
func oneFkey(ctx context.Context, q Queryer, where string, args ...any) (fkey, bool, error) {
	rows, err := q.Query(ctx, `
		select fn.nspname, fc.relname, tn.nspname, tc.relname, c.conname, pg_get_constraintdef(c.oid)
		from pg_constraint c
		join pg_class fc on fc.oid = c.conrelid join pg_namespace fn on fn.oid = fc.relnamespace
		join pg_class tc on tc.oid = c.confrelid join pg_namespace tn on tn.oid = tc.relnamespace
		where c.contype = 'f' and c.conparentid = 0 and `+where+`
		order by fc.oid, c.conname limit 1`, args...)
	if err != nil {
		return fkey{}, false, err
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (fkey, error) {
		var k fkey
		var def string
		err := row.Scan(&k.from.Schema, &k.from.Name, &k.to.Schema, &k.to.Name, &k.name, &def)
		k.def = "ALTER TABLE ONLY " + k.from.SQL() + " ADD CONSTRAINT " + ident.Quote(k.name) + " " + def
		return k, err
	})
	if err != nil || len(keys) == 0 {
		return fkey{}, false, err
	}
	return keys[0], true, nil
}

func (k fkey) drop(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		insert into londiste.pending_fkeys as p (from_table, to_table, fkey_name, fkey_def) values ($1, $2, $3, $4)
		on conflict (from_table, fkey_name) do update
		set to_table = excluded.to_table,
			-- one that was being restored: what it is to be is on the list already
			fkey_def = case when excluded.fkey_def = p.fkey_def || ' NOT VALID' then p.fkey_def else excluded.fkey_def end`,
		k.from.String(), k.to.String(), k.name, k.def)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `alter table only `+k.from.SQL()+` drop constraint `+ident.Quote(k.name))
	return err
}

// restorableFkeys lists the saved foreign keys neither of whose tables is
// waiting for a copy or in one. A table that is not registered, or no more,
// is none of those.
func restorableFkeys(ctx context.Context, q Queryer) ([]fkey, error) {
	rows, err := q.Query(ctx, `
		select from_table, to_table, fkey_name, fkey_def from londiste.pending_fkeys p
		where not exists (
			select from londiste.table_info t
			where t.local and coalesce(t.merge_state, '') not in ('ok', '?')
				and coalesce(t.dest_table, t.table_name) in (p.from_table, p.to_table))
		order by from_table, fkey_name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (fkey, error) {
		var k fkey
		var from, to string
		if err := row.Scan(&from, &to, &k.name, &k.def); err != nil {
			return k, err
		}
		var err error
		if k.from, err = ident.Parse(from); err == nil {
			k.to, err = ident.Parse(to)
		}
		return k, err
	})
}

// RestoreFkeys brings back the foreign keys that can be. Each is added
// unchecked, which needs its locks only for a moment, and checked in a
// transaction of its own; it is on the list until it is. One that the rows
// violate is reported and stays on the list.
func RestoreFkeys(ctx context.Context, conn *pgx.Conn, p *Pair, write Writer) error {
	keys, err := restorableFkeys(ctx, conn)
	if err != nil {
		return fmt.Errorf("pending foreign keys: %w", err)
	}
	for _, k := range keys {
		err := k.restore(ctx, p, write)
		if err == nil {
			p.Logger().Info("Foreign key restored", "table", k.from.String(), "name", k.name)
			continue
		}
		if conn.IsClosed() || ctx.Err() != nil || errors.Is(err, ErrFenced) {
			return err
		}
		p.Logger().Warn("Foreign key cannot be restored", "table", k.from.String(), "name", k.name, "error", err)
	}
	return nil
}

// Writer runs a function in a transaction: with the worker's lease, or
// without one in a command.
type Writer func(p failpoint.Point, fn func(tx pgx.Tx) error) error

func (k fkey) restore(ctx context.Context, p *Pair, write Writer) error {
	err := write(failpoint.Fkey, func(tx pgx.Tx) error {
		if err := BeginDDL(ctx, tx, p); err != nil {
			return err
		}
		var there bool
		err := tx.QueryRow(ctx, `select exists (select from pg_constraint
			where conrelid = to_regclass($1)::oid and conname = $2 and contype = 'f')`, k.from.SQL(), k.name).Scan(&there)
		if err != nil || there {
			return err
		}
		_, err = tx.Exec(ctx, k.def+k.notValid())
		return err
	})
	if err != nil {
		return err
	}
	return write(failpoint.Fkey, func(tx pgx.Tx) error {
		if err := BeginDDL(ctx, tx, p); err != nil {
			return err
		}
		if k.notValid() != "" {
			_, err := tx.Exec(ctx, `alter table only `+k.from.SQL()+` validate constraint `+ident.Quote(k.name))
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `delete from londiste.pending_fkeys where from_table = $1 and fkey_name = $2`,
			k.from.String(), k.name)
		return err
	})
}

// notValid is what is to be added to the definition: nothing where the key
// was never checked.
func (k fkey) notValid() string {
	const suffix = " NOT VALID"
	if len(k.def) > len(suffix) && k.def[len(k.def)-len(suffix):] == suffix {
		return ""
	}
	return suffix
}
