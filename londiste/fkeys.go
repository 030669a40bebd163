package londiste

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// ForeignKey is a foreign key to or from a replicated table.
type ForeignKey struct {
	From ident.Name `json:"from_table"`
	To   ident.Name `json:"to_table"`
	Name string     `json:"fkey_name"`
	Def  string     `json:"fkey_def"` // the statement that makes it
}

// ForeignKeys lists the foreign keys to and from replicated tables: pending
// ones are dropped for a copy and come back after it, active ones exist.
func (b *Subscriber) ForeignKeys(ctx context.Context) (pending, active []ForeignKey, err error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if err := s.spellOut(ctx); err != nil {
		return nil, nil, err
	}
	known, err := s.registered(ctx)
	if err != nil {
		return nil, nil, err
	}
	if pending, err = s.pendingForeignKeys(ctx, known); err != nil {
		return nil, nil, err
	}
	active, err = s.activeForeignKeys(ctx, known)
	return pending, active, err
}

// spellOut makes the server write schemas into all definitions, so that they
// mean the same wherever they are run.
func (s *session) spellOut(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "set search_path = pg_catalog")
	return err
}

func (s *session) pendingForeignKeys(ctx context.Context, known []ident.Name) ([]ForeignKey, error) {
	texts := make([]string, len(known))
	for i, n := range known {
		texts[i] = n.String()
	}
	rows, err := s.conn.Query(ctx, `
		select from_table, to_table, fkey_name, fkey_def from londiste.pending_fkeys
		where from_table = any($1) or to_table = any($1)
		order by from_table, fkey_name`, texts)
	if err != nil {
		return nil, fmt.Errorf("read pending foreign keys: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ForeignKey, error) {
		var f ForeignKey
		var from, to string
		err := row.Scan(&from, &to, &f.Name, &f.Def)
		if err == nil {
			f.From, err = ident.Parse(from)
		}
		if err == nil {
			f.To, err = ident.Parse(to)
		}
		return f, err
	})
}

func (s *session) activeForeignKeys(ctx context.Context, known []ident.Name) ([]ForeignKey, error) {
	schemas, rels := split(known)
	rows, err := s.conn.Query(ctx, `
		with w as (
		    select c.oid from unnest($1::text[], $2::text[]) as w (s, r)
		    join pg_namespace n on n.nspname = w.s
		    join pg_class c on c.relnamespace = n.oid and c.relname = w.r)
		select fn.nspname, f.relname, tn.nspname, t.relname, k.conname, pg_get_constraintdef(k.oid)
		from pg_constraint k
		join pg_class f on f.oid = k.conrelid join pg_namespace fn on fn.oid = f.relnamespace
		join pg_class t on t.oid = k.confrelid join pg_namespace tn on tn.oid = t.relnamespace
		where k.contype = 'f' and k.conparentid = 0
		  and (k.conrelid in (select oid from w) or k.confrelid in (select oid from w))
		order by 1, 2, 5`, schemas, rels)
	if err != nil {
		return nil, fmt.Errorf("read foreign keys: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ForeignKey, error) {
		var f ForeignKey
		var def string
		err := row.Scan(&f.From.Schema, &f.From.Name, &f.To.Schema, &f.To.Name, &f.Name, &def)
		f.Def = "ALTER TABLE ONLY " + f.From.String() + " ADD CONSTRAINT " + ident.Quote(f.Name) + " " + def
		return f, err
	})
}
