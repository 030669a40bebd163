package londiste

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// compareTables compares the structure of tables on both sides, in the order
// given. The second result is the subscriber's side of them.
func compareTables(ctx context.Context, prov, sub *session, names []ident.Name) ([]Difference, map[ident.Name]*structure, error) {
	provs, err := structures(ctx, prov.conn, names)
	if err != nil {
		return nil, nil, fmt.Errorf("provider: %w", err)
	}
	subs, err := structures(ctx, sub.conn, names)
	if err != nil {
		return nil, nil, fmt.Errorf("subscriber: %w", err)
	}
	captured, err := prov.captureKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	var all []Difference
	for _, n := range names {
		all = append(all, compareStructure(n, provs[n], subs[n], captured[n])...)
	}
	return all, subs, nil
}

// captureKeys are the key columns of the tables captured for the queue.
func (s *session) captureKeys(ctx context.Context) (map[ident.Name][]string, error) {
	rows, err := s.conn.Query(ctx, `
		select table_schema, table_name, key_columns from skytools.capture where queue_name = $1`, s.queue)
	if err != nil {
		return nil, fmt.Errorf("read captured tables: %w", err)
	}
	found := map[ident.Name][]string{}
	var n ident.Name
	var key []string
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &key}, func() error {
		found[n] = slices.Clone(key)
		return nil
	})
	return found, err
}

// Check compares the structure of all tables registered at the provider, and
// of the sequences registered on both sides. An error means that it could
// not tell.
func (b *Subscriber) Check(ctx context.Context, sel Selection) ([]Difference, error) {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return nil, err
	}
	defer prov.close()
	defer sub.close()
	attached, err := prov.registered(ctx)
	if err != nil {
		return nil, err
	}
	if len(sel.Names) == 0 {
		sel.All = true
	}
	names, err := pickRegistered(sel, attached, "Table", "provider")
	if err != nil {
		return nil, err
	}
	found, _, err := compareTables(ctx, prov, sub, names)
	if err != nil || len(sel.Names) > 0 {
		return found, err
	}
	seqs, err := compareSeqs(ctx, prov, sub)
	return append(found, seqs...), err
}

// seqShape is what two mirrored sequences have to share.
type seqShape struct {
	Type                       string
	Start, Increment, Min, Max int64
	Cycle                      bool
}

func (s *session) seqShapes(ctx context.Context) (map[ident.Name]seqShape, error) {
	rows, err := s.conn.Query(ctx, `
		select n.nspname, c.relname, format_type(q.seqtypid, null),
		    q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle
		from pg_sequence q join pg_class c on c.oid = q.seqrelid join pg_namespace n on n.oid = c.relnamespace
		where `+ownSchemas)
	if err != nil {
		return nil, fmt.Errorf("read sequences of the %s: %w", s.side, err)
	}
	found := map[ident.Name]seqShape{}
	var n ident.Name
	var q seqShape
	_, err = pgx.ForEachRow(rows,
		[]any{&n.Schema, &n.Name, &q.Type, &q.Start, &q.Increment, &q.Min, &q.Max, &q.Cycle}, func() error {
			found[n] = q
			return nil
		})
	return found, err
}

func compareSeqs(ctx context.Context, prov, sub *session) ([]Difference, error) {
	attached, err := prov.registeredSeqs(ctx)
	if err != nil {
		return nil, err
	}
	here, err := sub.registeredSeqs(ctx)
	if err != nil {
		return nil, err
	}
	ps, err := prov.seqShapes(ctx)
	if err != nil {
		return nil, err
	}
	ss, err := sub.seqShapes(ctx)
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, n := range attached {
		if !slices.Contains(here, n) {
			continue
		}
		p, okP := ps[n]
		s, okS := ss[n]
		all = append(all, compareSeq(n, p, okP, s, okS)...)
	}
	return all, nil
}

func compareSeq(name ident.Name, p seqShape, okP bool, s seqShape, okS bool) []Difference {
	found := differences{object: name.String()}
	switch {
	case !okP:
		found.absent("sequence %s does not exist at the provider", name)
		return found.list
	case !okS:
		found.absent("sequence %s does not exist at the subscriber", name)
		return found.list
	}
	differ := func(what string, there, here any) {
		if there != here {
			found.note("%s of sequence %s is %v at the provider, %v at the subscriber", what, name, there, here)
		}
	}
	differ("type", p.Type, s.Type)
	differ("start", p.Start, s.Start)
	differ("increment", p.Increment, s.Increment)
	differ("minimum", p.Min, s.Min)
	differ("maximum", p.Max, s.Max)
	differ("cycle", p.Cycle, s.Cycle)
	return found.list
}
