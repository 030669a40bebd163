package londiste

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Add is both sides' commands in one: it captures tables at the provider, makes
// those that are not at the subscriber, has them replicated with their rows, and
// has the sequences followed from which their columns take values.
//
// It is a row of commands that pass over what is done already: where one fails,
// or the program ends between two, it is given again.
func (b *Subscriber) Add(ctx context.Context, sel Selection, opt AddOptions) error {
	if b.Fake {
		return hint.With(errors.New("fake = 1: what follows at the subscriber cannot be tried for a table that is not registered at the provider"),
			"try each side: londiste INI provider add, then londiste INI subscriber add")
	}
	p := &Provider{Pair: b.Pair}
	if err := b.ready(ctx); err != nil {
		return err
	}
	if err := p.AddTables(ctx, sel, Capture{}); err != nil {
		return err
	}
	names, err := p.chosen(ctx, sel)
	if err != nil {
		return err
	}
	if err := b.AddTables(ctx, plainly(names), opt); err != nil {
		return err
	}
	seqs, err := p.drawnFrom(ctx, names)
	if err != nil || len(seqs) == 0 {
		return err
	}
	if err := p.AddSeqs(ctx, plainly(seqs)); err != nil {
		return err
	}
	return b.AddSeqs(ctx, plainly(seqs))
}

// ready fails where a side is not installed, before the other is changed.
func (b *Subscriber) ready(ctx context.Context) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	prov.close()
	sub.close()
	return nil
}

// chosen are the registered tables that a selection means.
func (p *Provider) chosen(ctx context.Context, sel Selection) ([]ident.Name, error) {
	known, err := p.Tables(ctx)
	if err != nil {
		return nil, err
	}
	found, err := sel.pick(known)
	return found.names, err
}

// plainly selects by full names.
func plainly(names []ident.Name) Selection {
	var sel Selection
	for _, n := range names {
		sel.Names = append(sel.Names, n.SQL())
	}
	return sel
}

// drawnFrom are the sequences that columns of tables own or name in a default.
func (p *Provider) drawnFrom(ctx context.Context, tables []ident.Name) ([]ident.Name, error) {
	s, err := openProvider(ctx, &p.Pair, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	schemas, rels := make([]string, len(tables)), make([]string, len(tables))
	for i, n := range tables {
		schemas[i], rels[i] = n.Schema, n.Name
	}
	rows, err := s.conn.Query(ctx, `
		with wanted as (
			select c.oid from unnest($1::text[], $2::text[]) as w (nspname, relname)
			join pg_namespace n on n.nspname::text = w.nspname
			join pg_class c on c.relnamespace = n.oid and c.relname::text = w.relname),
		drawn as (
			select d.objid as seq from pg_depend d join wanted on d.refobjid = wanted.oid
			where d.classid = 'pg_class'::regclass::oid and d.refclassid = 'pg_class'::regclass::oid and d.deptype in ('a', 'i')
			union
			select d.refobjid from pg_depend d join pg_attrdef a on a.oid = d.objid join wanted on a.adrelid = wanted.oid
			where d.classid = 'pg_attrdef'::regclass::oid and d.refclassid = 'pg_class'::regclass::oid)
		select n.nspname::text, c.relname::text
		from drawn join pg_class c on c.oid = drawn.seq join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'S' and `+ownSchemas+` order by 1, 2`, schemas, rels)
	if err != nil {
		return nil, fmt.Errorf("read sequences of the provider: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ident.Name])
}
