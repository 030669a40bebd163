package londiste

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/structure"
	"github.com/skytools-go/skytools/londiste/set"
)

// Difference is one thing in which a table or sequence of the subscriber is
// not what it is at the provider, with the statements that mend it there.
type Difference = structure.Difference

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
	var seqs []ident.Name
	if len(sel.Names) == 0 {
		if seqs, err = mirrored(ctx, prov, sub); err != nil {
			return nil, err
		}
	}
	found, err := compareTables(ctx, prov, sub, names, seqs)
	if err != nil {
		return nil, err
	}
	parked, err := sub.parkedDifferences(ctx, names)
	return append(parked, found...), err
}

// Differences is Check for tables that need not be registered anywhere. One
// that the provider does not have is left out.
func (b *Subscriber) Differences(ctx context.Context, names []ident.Name) ([]Difference, error) {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return nil, err
	}
	defer prov.close()
	defer sub.close()
	there, _, err := prov.candidates(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(n ident.Name) bool { return !slices.Contains(there, n) })
	return compareTables(ctx, prov, sub, names, nil)
}

// MissingStructure is what the subscriber lacks of the tables that the
// provider has registered and the subscriber has not.
func (b *Subscriber) MissingStructure(ctx context.Context) ([]Difference, error) {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return nil, err
	}
	defer prov.close()
	defer sub.close()
	names, err := minus(ctx, prov, sub, (*session).registered)
	if err != nil {
		return nil, err
	}
	return compareTables(ctx, prov, sub, names, nil)
}

// mirrored are the sequences that both sides have registered.
func mirrored(ctx context.Context, prov, sub *session) ([]ident.Name, error) {
	there, err := prov.registeredSeqs(ctx)
	if err != nil {
		return nil, err
	}
	here, err := sub.registeredSeqs(ctx)
	return slices.DeleteFunc(there, func(n ident.Name) bool { return !slices.Contains(here, n) }), err
}

// compareTables compares tables and sequences on both sides, but for what
// copies have dropped and bring back.
func compareTables(ctx context.Context, prov, sub *session, names, seqs []ident.Name) ([]Difference, error) {
	there, keys, err := prov.structures(ctx, names, seqs)
	if err != nil {
		return nil, err
	}
	here, err := structure.ReadTarget(ctx, sub.conn, there)
	if err != nil {
		return nil, fmt.Errorf("subscriber: %w", err)
	}
	pending, err := sub.pendingObjects(ctx)
	if err != nil {
		return nil, err
	}
	// Where the role may not, triggers are disabled while rows are replicated:
	// one that check's statements made would fire on them.
	replica, err := set.MayBeReplica(ctx, sub.conn)
	if err != nil {
		return nil, fmt.Errorf("subscriber: %w", err)
	}
	found := structure.Compare(there, here, structure.Options{Keys: keys, Own: queueSchemas})
	found = slices.DeleteFunc(found, func(d Difference) bool {
		waits := pending[pendingObject{d.Table, d.Name, d.Kind == structure.Trigger}]
		switch d.Kind {
		case structure.Constraint, structure.Index:
			return d.Missing && waits
		case structure.Trigger:
			return !replica || d.Fact == structure.TriggerState && waits
		}
		return false
	})
	for i := range found {
		advise(&found[i])
	}
	return found, nil
}

// advise tells the commands of this program that help.
func advise(d *Difference) {
	switch {
	case d.Hint != "":
	case d.Kind == structure.Relation && d.Absent && len(d.SQL) > 0:
		d.Hint = fmt.Sprintf("londiste INI subscriber add %s --create makes it, --create-full with indexes, privileges and the like",
			hint.Shell(d.Table.String()))
	case d.Kind == structure.Column && d.Breaks && d.Missing:
		d.Hint = fmt.Sprintf("rows that are there already get the provider's values by: londiste INI subscriber resync %s",
			hint.Shell(d.Table.String()))
	}
}

// structures reads the provider's tables, and by which columns of theirs
// events tell rows apart.
func (s *session) structures(ctx context.Context, names, seqs []ident.Name) (*structure.Structure, map[ident.Name][]string, error) {
	there, err := structure.Read(ctx, s.conn, names, seqs)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.side, err)
	}
	keys, err := s.captureKeys(ctx)
	return there, keys, err
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

type pendingObject struct {
	table   ident.Name
	name    string
	trigger bool // which has its name among triggers
}

// queueSchemas have the functions of queues' triggers, which are of one end.
var queueSchemas = []string{"pgq", "pgq_coop", "pgq_ext", "pgq_node", "londiste", "skytools"}

// pendingObjects are the indexes, constraints and foreign keys that copies
// have dropped, and the triggers that are disabled while tables are replicated.
func (s *session) pendingObjects(ctx context.Context) (map[pendingObject]bool, error) {
	rows, err := s.conn.Query(ctx, `
		select table_name, object_name, kind = 'trigger' from skytools.pending_ddl where kind in ('index', 'constraint', 'trigger')
		union all select from_table, fkey_name, false from londiste.pending_fkeys`)
	if err != nil {
		return nil, fmt.Errorf("read what copies have dropped: %w", err)
	}
	found := map[pendingObject]bool{}
	var table, name string
	var trigger bool
	_, err = pgx.ForEachRow(rows, []any{&table, &name, &trigger}, func() error {
		n, err := ident.Parse(table)
		found[pendingObject{n, name, trigger}] = true
		return err
	})
	return found, err
}

// parkedDifferences names the tables that are left aside, whatever their
// structure.
func (s *session) parkedDifferences(ctx context.Context, names []ident.Name) ([]Difference, error) {
	list, err := s.localTables(ctx)
	if err != nil {
		return nil, err
	}
	var found []Difference
	for _, t := range list {
		if t.Aside() && slices.Contains(names, t.Name) {
			found = append(found, Difference{
				Object: t.Name.String(),
				Text:   fmt.Sprintf("table %s is parked since %s: %s", t.Name, t.Parked.Since.Local().Format(time.DateTime), t.Parked.Error),
				Hint:   "status shows the ways back",
				SQL:    []string{},
			})
		}
	}
	return found, nil
}
