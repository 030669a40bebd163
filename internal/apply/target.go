package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Column is a column of a table at the subscriber.
type Column struct {
	Name      string
	Type      string // as format_type gives it, without modifier
	Generated bool   // generated always as … stored: never written
	Always    bool   // identity, generated always
	NotNull   bool

	cast  string // qualified type to cast a text to: a domain's base type
	fit   string // type with the length or precision that an assignment gives a value; "" for none
	first bool   // it is the first of an index
	class keyClass
}

// Key is a unique key of a table at the subscriber.
type Key struct {
	Index      string
	Columns    []int // positions in Target.Columns, in the index's order
	Primary    bool
	Deferrable bool

	equals  []string // qualified equality operator of each column
	classes []keyClass
	whole   bool // in place of a key: a row is what all of its columns say
}

// collapsible tells whether two keys are equal exactly when their canonical
// texts are.
func (k *Key) collapsible() bool { return !slices.Contains(k.classes, keyOpaque) }

// slots are those of the key's columns in a delete's row, which has no others.
func (k *Key) slots() []int {
	slots := make([]int, len(k.Columns))
	for i := range slots {
		slots[i] = i
	}
	return slots
}

// Target is a table at the subscriber, as the applier needs to know it. It is
// not changed after loading; load it again when the table has changed.
type Target struct {
	Name        ident.Name
	Columns     []Column
	Keys        []Key        // unique keys without predicate or expression, the primary one first
	References  []ident.Name // tables its foreign keys point at, itself left out
	Partitioned bool
	Rules       bool // it has rules, which a COPY passes over
	Shared      bool // others write to it as well: no TRUNCATE may empty it

	byName map[string]int
	rows   Key // whole
}

// Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const (
	relationSQL = `
select c.oid, c.relkind::text, c.relhasrules
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1 and c.relname = $2`

	// A domain is followed down to the type below it.
	columnsSQL = `
select a.attnum, a.attname::text, pg_catalog.format_type(a.atttypid, -1), a.attgenerated <> '', a.attidentity = 'a',
       a.attnotnull, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(b.typname), b.oid, b.typtype::text,
       case when b.mod >= 0 and n.nspname = 'pg_catalog' then pg_catalog.format_type(b.oid, b.mod) else '' end,
       exists (select from pg_catalog.pg_index i where i.indrelid = a.attrelid and i.indkey[0] = a.attnum and i.indisvalid and i.indpred is null)
  from pg_catalog.pg_attribute a
 cross join lateral (
        with recursive d as (
            select t.oid, t.typtype, t.typbasetype, t.typname, t.typnamespace, a.atttypmod as mod, t.typtypmod
              from pg_catalog.pg_type t where t.oid = a.atttypid
            union all
            select t.oid, t.typtype, t.typbasetype, t.typname, t.typnamespace, d.typtypmod, t.typtypmod
              from d join pg_catalog.pg_type t on d.typtype = 'd' and t.oid = d.typbasetype)
        select * from d where typtype <> 'd') b
  join pg_catalog.pg_namespace n on n.oid = b.typnamespace
 where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
 order by a.attnum`

	// One row per key column: a unique B-tree's equality is its family's
	// third strategy. An operator class that is neither the default nor a
	// pattern class may call other texts equal.
	keysSQL = `
select i.indexrelid, c.relname::text, i.indisprimary, not i.indimmediate, k.attnum::int4,
       'operator(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')',
       coalesce(l.collisdeterministic, true)
         and (oc.opcdefault or oc.opcname in ('varchar_ops', 'text_pattern_ops', 'varchar_pattern_ops', 'bpchar_pattern_ops'))
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_am m on m.oid = c.relam and m.amname = 'btree'
 cross join lateral unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) with ordinality k(attnum, opc, coll, n)
  join pg_catalog.pg_opclass oc on oc.oid = k.opc
  join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3
       and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
  join pg_catalog.pg_operator o on o.oid = ao.amopopr
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  left join pg_catalog.pg_collation l on l.oid = k.coll
 where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
   and k.n <= i.indnkeyatts
 order by not i.indisprimary, c.relname, k.n`

	referencesSQL = `
select distinct n.nspname::text, c.relname::text
  from pg_catalog.pg_constraint f
  join pg_catalog.pg_class c on c.oid = f.confrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where f.conrelid = $1 and f.contype = 'f' and f.confrelid <> f.conrelid`
)

// LoadTarget reads a table's description from the catalogue of q's database.
func LoadTarget(ctx context.Context, q Querier, name ident.Name) (*Target, error) {
	t := &Target{Name: name, byName: map[string]int{}, rows: Key{whole: true}}
	var oid uint32
	var relkind string
	found := false
	err := each(ctx, q, relationSQL, []any{name.Schema, name.Name}, []any{&oid, &relkind, &t.Rules}, func() {
		found = true
		t.Partitioned = relkind == "p"
	})
	switch {
	case err != nil:
	case !found:
		return nil, hint.With(fmt.Errorf("table %s does not exist at the subscriber", name), "create it there first")
	case relkind != "r" && relkind != "p":
		return nil, fmt.Errorf("%s at the subscriber is not a table", name)
	default:
		err = t.load(ctx, q, oid)
	}
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", name, err)
	}
	return t, nil
}

// load reads columns, keys and references.
func (t *Target) load(ctx context.Context, q Querier, oid uint32) error {
	var c Column
	var num int32
	var base uint32
	var typtype string
	position := map[int32]int{}
	err := each(ctx, q, columnsSQL, []any{oid},
		[]any{&num, &c.Name, &c.Type, &c.Generated, &c.Always, &c.NotNull, &c.cast, &base, &typtype, &c.fit, &c.first}, func() {
			c.class = classOf(base, typtype)
			position[num], t.byName[c.Name] = len(t.Columns), len(t.Columns)
			t.Columns = append(t.Columns, c)
		})
	if err != nil {
		return err
	}
	var index, last uint32
	var k Key
	var equals string
	var plain bool
	err = each(ctx, q, keysSQL, []any{oid},
		[]any{&index, &k.Index, &k.Primary, &k.Deferrable, &num, &equals, &plain}, func() {
			if index != last {
				t.Keys = append(t.Keys, k)
				last = index
			}
			key := &t.Keys[len(t.Keys)-1]
			col := position[num]
			class := t.Columns[col].class
			if !plain {
				class = keyOpaque
			}
			key.Columns = append(key.Columns, col)
			key.equals = append(key.equals, equals)
			key.classes = append(key.classes, class)
		})
	if err != nil {
		return err
	}
	var ref ident.Name
	return each(ctx, q, referencesSQL, []any{oid}, []any{&ref.Schema, &ref.Name}, func() {
		t.References = append(t.References, ref)
	})
}

// each scans every row of a query into dest and calls fn.
func each(ctx context.Context, q Querier, sql string, args, dest []any, fn func()) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, dest, func() error {
		fn()
		return nil
	})
	return err
}

// keyFor finds the key that an event tells rows apart by: the unique key with
// exactly these columns, or the primary key when the event tells none; all
// columns where it says so.
func (t *Target) keyFor(k *kind) (*Key, error) {
	if k.whole {
		return &t.rows, nil
	}
	for i := range t.Keys {
		key := &t.Keys[i]
		switch {
		case len(k.key) == 0 && key.Primary,
			len(k.key) > 0 && t.sameColumns(key, k.key),
			k.joined != "" && strings.Join(t.names(key.Columns), ",") == k.joined:
			return key, nil
		}
	}
	err := fmt.Errorf("table %s has no unique key on (%s) at the subscriber", t.Name, strings.Join(k.key, ", "))
	if len(k.key) == 0 {
		err = fmt.Errorf("table %s has no primary key at the subscriber", t.Name)
	}
	return nil, hint.With(err, "the provider tells its rows apart by these columns: create a unique index on them at the subscriber")
}

func (t *Target) sameColumns(key *Key, names []string) bool {
	if len(names) != len(key.Columns) {
		return false
	}
	for _, name := range names {
		c, known := t.byName[name]
		if !known || !slices.Contains(key.Columns, c) {
			return false
		}
	}
	return true
}

func (t *Target) names(cols []int) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = t.Columns[c].Name
	}
	return names
}
