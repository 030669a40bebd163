package londiste

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// structure is what one side's catalogue says of a table.
type structure struct {
	oid     uint32
	kind    string // pg_class.relkind
	owner   string
	owned   bool // the role connected is the owner or a member of it
	columns []column
	keys    []tableKey // usable unique indexes, the primary key first
}

type column struct {
	name      string
	typ       string // with modifiers, schema-qualified outside pg_catalog
	notNull   bool
	generated bool
	filled    bool // has a default or is an identity: an insert may leave it out
}

type tableKey struct {
	index   string
	primary bool
	columns []string
}

func (s *structure) column(name string) (column, bool) {
	i := slices.IndexFunc(s.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return s.columns[i], true
}

// hasKey tells whether exactly these columns, in any order, are a key.
func (s *structure) hasKey(columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(s.keys, func(k tableKey) bool {
		return slices.Equal(slices.Sorted(slices.Values(k.columns)), want)
	})
}

// structures reads the catalogue for the named tables; those that do not
// exist are missing from the result. Type names do not depend on the
// caller's search_path.
func structures(ctx context.Context, conn *pgx.Conn, names []ident.Name) (map[ident.Name]*structure, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "set local search_path = pg_catalog"); err != nil {
		return nil, err
	}
	byName, byOID, err := relations(ctx, tx, names)
	if err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	if err := readColumns(ctx, tx, byOID); err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	if err := readKeys(ctx, tx, byOID); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return byName, nil
}

func relations(ctx context.Context, q queryer, names []ident.Name) (map[ident.Name]*structure, map[uint32]*structure, error) {
	byName, byOID := map[ident.Name]*structure{}, map[uint32]*structure{}
	schemas, rels := split(names)
	rows, err := q.Query(ctx, `
		select n.nspname, c.relname, c.oid, c.relkind::text, pg_get_userbyid(c.relowner),
		    pg_has_role(c.relowner, 'USAGE')
		from unnest($1::text[], $2::text[]) as w (schema_name, table_name)
		join pg_namespace n on n.nspname = w.schema_name
		join pg_class c on c.relnamespace = n.oid and c.relname = w.table_name
		where c.relkind in ('r', 'p', 'v', 'm', 'f')`, schemas, rels)
	if err != nil {
		return nil, nil, err
	}
	var n ident.Name
	var s structure
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Name, &s.oid, &s.kind, &s.owner, &s.owned}, func() error {
		own := s
		byName[n], byOID[s.oid] = &own, &own
		return nil
	})
	return byName, byOID, err
}

func oids(byOID map[uint32]*structure) []uint32 {
	var all []uint32
	for oid := range byOID {
		all = append(all, oid)
	}
	return all
}

func readColumns(ctx context.Context, q queryer, byOID map[uint32]*structure) error {
	rows, err := q.Query(ctx, `
		select attrelid, attname, format_type(atttypid, atttypmod), attnotnull,
		    attgenerated <> '', atthasdef or attidentity <> ''
		from pg_attribute
		where attrelid = any($1) and attnum > 0 and not attisdropped
		order by attrelid, attnum`, oids(byOID))
	if err != nil {
		return err
	}
	var oid uint32
	var c column
	_, err = pgx.ForEachRow(rows, []any{&oid, &c.name, &c.typ, &c.notNull, &c.generated, &c.filled}, func() error {
		s := byOID[oid]
		s.columns = append(s.columns, c)
		return nil
	})
	return err
}

// readKeys takes the indexes by which a row can be found: unique over plain
// NOT NULL columns, whole, valid.
func readKeys(ctx context.Context, q queryer, byOID map[uint32]*structure) error {
	rows, err := q.Query(ctx, `
		select i.indrelid, c.relname, i.indisprimary, k.columns
		from pg_index i
		join pg_class c on c.oid = i.indexrelid
		cross join lateral (
		    select array_agg(a.attname::text order by o.nr) as columns, bool_and(a.attnotnull) as all_set
		    from unnest(i.indkey::int2[]) with ordinality as o (attnum, nr)
		    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = o.attnum
		    where o.nr <= i.indnkeyatts) k
		where i.indrelid = any($1) and i.indisunique and i.indisvalid
		  and i.indpred is null and i.indexprs is null and k.all_set
		order by i.indrelid, i.indisprimary desc, c.relname`, oids(byOID))
	if err != nil {
		return err
	}
	var oid uint32
	var k tableKey
	_, err = pgx.ForEachRow(rows, []any{&oid, &k.index, &k.primary, &k.columns}, func() error {
		s := byOID[oid]
		s.keys = append(s.keys, k)
		k.columns = nil
		return nil
	})
	return err
}

// Difference is one thing in which the two sides of a table or sequence do
// not fit.
type Difference struct {
	Object string `json:"object"` // the table's or sequence's name
	Text   string `json:"text"`   // the whole sentence, the object named in it
	Hint   string `json:"hint,omitempty"`
	// Breaks: the object cannot be replicated like this. Otherwise it can be,
	// as long as the values fit.
	Breaks bool `json:"breaks"`

	absent bool // a side has no such table at all
}

// compareStructure compares a provider's table with the subscriber's copy of
// it; either is nil where there is none. key is the provider's registered
// key, its columns.
func compareStructure(name ident.Name, prov, sub *structure, key []string) []Difference {
	found := differences{object: name.String()}
	switch {
	case prov == nil:
		found.absent("table %s does not exist at the provider", name)
		return found.list
	case sub == nil:
		found.absent("table %s does not exist at the subscriber", name)
		found.hint("make it there first: pg_dump -s -t %s of the provider's database shows how", hint.Shell(name.String()))
		return found.list
	case sub.kind != "r" && sub.kind != "p":
		found.absent("%s is no table at the subscriber", name)
		return found.list
	}
	compareKeys(&found, name, prov, sub, key)
	for _, pc := range prov.columns {
		sc, ok := sub.column(pc.name)
		if !ok {
			found.breaks("column %s of table %s does not exist at the subscriber", ident.Quote(pc.name), name)
			found.hint("alter table %s add column %s %s", name, ident.Quote(pc.name), pc.typ)
			continue
		}
		compareColumn(&found, name, pc, sc)
	}
	for _, sc := range sub.columns {
		if _, ok := prov.column(sc.name); !ok && sc.notNull && !sc.filled {
			found.breaks("column %s of table %s is NOT NULL without default at the subscriber and unknown to the provider",
				ident.Quote(sc.name), name)
			found.hint("alter table %s alter column %s drop not null, or give it a default", name, ident.Quote(sc.name))
		}
	}
	return found.list
}

func compareKeys(found *differences, name ident.Name, prov, sub *structure, key []string) {
	if len(key) == 0 && len(prov.keys) > 0 {
		key = prov.keys[0].columns
	}
	switch {
	case len(key) == 0:
		found.breaks("table %s has no primary key at the provider", name)
	case len(sub.keys) == 0:
		found.breaks("table %s has no primary key at the subscriber", name)
		found.hint("alter table %s add primary key (%s)", name, joinQuoted(key))
	case !sub.hasKey(key):
		found.breaks("key of table %s differs: (%s) at the provider, (%s) at the subscriber",
			name, strings.Join(key, ", "), strings.Join(sub.keys[0].columns, ", "))
		found.hint("make a unique index on NOT NULL columns (%s) at the subscriber", joinQuoted(key))
	}
}

func compareColumn(found *differences, name ident.Name, pc, sc column) {
	col := ident.Quote(pc.name)
	if pc.typ != sc.typ {
		found.note("column %s of table %s is %s at the provider, %s at the subscriber", col, name, pc.typ, sc.typ)
	}
	if sc.notNull && !pc.notNull {
		found.note("column %s of table %s may be null at the provider, not at the subscriber", col, name)
	}
	if sc.generated != pc.generated {
		side, other := "provider", "subscriber"
		if sc.generated {
			side, other = other, side
		}
		found.note("column %s of table %s is generated at the %s, plain at the %s", col, name, side, other)
	}
}

func joinQuoted(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// differences collects what a comparison finds about one object.
type differences struct {
	object string
	list   []Difference
}

func (d *differences) note(format string, args ...any) {
	d.list = append(d.list, Difference{Object: d.object, Text: fmt.Sprintf(format, args...)})
}

func (d *differences) breaks(format string, args ...any) {
	d.note(format, args...)
	d.list[len(d.list)-1].Breaks = true
}

func (d *differences) absent(format string, args ...any) {
	d.breaks(format, args...)
	d.list[len(d.list)-1].absent = true
}

// hint is about what was found last.
func (d *differences) hint(format string, args ...any) {
	d.list[len(d.list)-1].Hint = fmt.Sprintf(format, args...)
}
