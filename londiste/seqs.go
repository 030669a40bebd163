package londiste

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// sequenceRights are the sequences of one side outside the programs' own
// schemas, each with whether the role may do there what replication needs:
// read it at the provider, set it at the subscriber.
func (s *session) sequenceRights(ctx context.Context) (map[ident.Name]bool, error) {
	right := "SELECT"
	if s.side == "subscriber" {
		right = "UPDATE"
	}
	rows, err := s.conn.Query(ctx, `
		select n.nspname, c.relname, has_sequence_privilege(c.oid, $1)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'S' and `+ownSchemas, right)
	if err != nil {
		return nil, fmt.Errorf("read sequences of the %s: %w", s.side, err)
	}
	found := map[ident.Name]bool{}
	var n ident.Name
	var may bool
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &may}, func() error {
		found[n] = may
		return nil
	})
	return found, err
}

func (s *session) registeredSeqs(ctx context.Context) ([]ident.Name, error) {
	list, err := set.Sequences(ctx, s.conn, s.queue)
	if err != nil {
		return nil, err
	}
	var names []ident.Name
	for _, q := range list {
		if q.Local {
			names = append(names, q.Name)
		}
	}
	return names, nil
}

// AddSeqs registers sequences, so that subscribers can follow them.
func (p *Provider) AddSeqs(ctx context.Context, sel Selection) error {
	s, err := openProvider(ctx, &p.Pair, p.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	rights, err := s.sequenceRights(ctx)
	if err != nil {
		return err
	}
	found, err := sel.pick(slices.Collect(maps.Keys(rights)))
	if err != nil {
		return err
	}
	if err := found.complete("sequence", s.side); err != nil {
		return err
	}
	return s.addSeqs(ctx, found, rights)
}

// RemoveSeqs forgets sequences at the provider.
func (p *Provider) RemoveSeqs(ctx context.Context, sel Selection) error {
	s, err := openProvider(ctx, &p.Pair, p.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	return s.removeSeqs(ctx, sel)
}

// Seqs lists the registered sequences in the order of their adding.
func (p *Provider) Seqs(ctx context.Context) ([]ident.Name, error) {
	s, err := openProvider(ctx, &p.Pair, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.registeredSeqs(ctx)
}

// AddSeqs has the worker mirror sequences that the provider has registered.
func (b *Subscriber) AddSeqs(ctx context.Context, sel Selection) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	attached, err := prov.registeredSeqs(ctx)
	if err != nil {
		return err
	}
	found, err := sel.pick(attached)
	switch {
	case err != nil:
		return err
	case len(found.absent) > 0:
		return hint.With(refusal("Seq "+joinNames(found.absent)+" does not exist on provider side"),
			"register it there first: londiste INI provider add-seq %s", hint.Shell(found.absent[0].String()))
	case len(found.unknown) > 0:
		return hint.With(fmt.Errorf("no sequences registered at the provider match %s", found.unknown[0]), "provider seqs lists them")
	}
	rights, err := sub.sequenceRights(ctx)
	if err != nil {
		return err
	}
	for _, n := range found.names {
		if _, ok := rights[n]; !ok {
			return hint.With(refusal("Seq "+n.String()+" does not exist on subscriber side"),
				"make it there first: create sequence %s", n.SQL())
		}
	}
	return sub.addSeqs(ctx, found, rights)
}

// RemoveSeqs leaves sequences alone from now on.
func (b *Subscriber) RemoveSeqs(ctx context.Context, sel Selection) error {
	s, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	return s.removeSeqs(ctx, sel)
}

// Seqs lists the sequences that the worker mirrors.
func (b *Subscriber) Seqs(ctx context.Context) ([]ident.Name, error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.registeredSeqs(ctx)
}

func (s *session) addSeqs(ctx context.Context, found picked, rights map[ident.Name]bool) error {
	known, err := s.registeredSeqs(ctx)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(found.names, func(n ident.Name) bool {
		there := slices.Contains(known, n)
		if there && !found.byGlob[n] {
			s.log.Info("Seq " + n.String() + " already subscribed")
		}
		return there
	})
	for _, n := range fresh {
		if !rights[n] {
			right := map[string]string{"provider": "select", "subscriber": "update"}[s.side]
			return hint.With(fmt.Errorf("role %s may not use sequence %s at the %s", s.conn.Config().User, n, s.side),
				"grant %s on sequence %s to %s", right, n, s.conn.Config().User)
		}
	}
	for _, n := range fresh {
		s.log.Info("Adding sequence " + n.String())
		if err := s.change(ctx, func(tx pgx.Tx) error { return s.insertSeq(ctx, tx, n) }); err != nil {
			return fmt.Errorf("add sequence %s: %w", n, err)
		}
	}
	return nil
}

func (s *session) insertSeq(ctx context.Context, tx pgx.Tx, n ident.Name) error {
	var last int64
	// pg_sequences shows null where the role may not read the value; a
	// subscriber's is set by the worker soon.
	err := tx.QueryRow(ctx, `
		select coalesce(last_value, start_value) from pg_sequences
		where schemaname = $1 and sequencename = $2`, n.Schema, n.Name).Scan(&last)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into londiste.seq_info (queue_name, seq_name, local, last_value)
		values ($1, $2, true, $3)
		on conflict (queue_name, seq_name) do update set local = true`, s.queue, n.String(), last)
	return err
}

func (s *session) removeSeqs(ctx context.Context, sel Selection) error {
	known, err := s.registeredSeqs(ctx)
	if err != nil {
		return err
	}
	names, err := pickRegistered(sel, known, "Seq", s.side)
	if err != nil {
		return err
	}
	for _, n := range names {
		s.log.Info("Removing sequence " + n.String())
		err := s.change(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "delete from londiste.seq_info where queue_name = $1 and seq_name = $2",
				s.queue, n.String())
			return err
		})
		if err != nil {
			return fmt.Errorf("remove sequence %s: %w", n, err)
		}
	}
	return nil
}
