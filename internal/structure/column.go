package structure

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// column is a row of pg_attribute with what hangs on it.
type column struct {
	Name        string
	Type        string // with modifiers, schema-qualified outside pg_catalog
	Collation   string // where it is not the type's; as SQL writes it
	NotNull     bool
	Default     string // of a generated column its expression
	Generated   string // s(tored), v(irtual)
	Identity    string // a(lways), d (by default): with a sequence of its own
	Local       bool   // told by this table, not only by its parents
	Inherited   bool
	Storage     string // where it is not the type's
	Usual       string // the type's
	Compression string
	Statistics  int
	Options     []string
	Comment     string
	DefaultOID  uint32
	TypeOID     uint32
	CollOID     uint32

	// From 18 on NOT NULL is a constraint.
	notNullName  string
	notNullUsual bool // named as the server does by itself
	noInherit    bool
	notValid     bool

	needs        []need // of type and collation
	defaultNeeds []need
	uses         []string // columns that a generated one is computed from
	sequence     *sequence
	inKey        bool // the partition key hangs on it
}

// columns leaves out options that are not PostgreSQL's: a build may keep notes
// of its own among them, which mean nothing elsewhere.
func (r *reader) columns(ctx context.Context) error {
	compression := "''"
	if r.version >= 14 {
		compression = "a.attcompression::text"
	}
	rows, err := r.tx.Query(ctx, `
		select a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod),
			case when a.attcollation not in (0, t.typcollation) then a.attcollation::regcollation::text else '' end,
			a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attgenerated::text,
			case when a.attidentity <> '' and exists (
				select from pg_depend where classid = 'pg_class'::regclass::oid and refclassid = 'pg_class'::regclass::oid
				and refobjid = a.attrelid and refobjsubid = a.attnum and deptype = 'i')
			then a.attidentity::text else '' end,
			a.attislocal, a.attinhcount > 0, case when a.attstorage <> t.typstorage then a.attstorage::text else '' end,
			t.typstorage::text, `+compression+`, coalesce(a.attstattarget, -1)::int, array(select o from unnest(a.attoptions) o where o ~ '^n_distinct(_inherited)?='),
			coalesce(col_description(a.attrelid, a.attnum), ''), coalesce(d.oid, 0), a.atttypid,
			case when a.attcollation <> t.typcollation then a.attcollation else 0 end
		from pg_attribute a
		join pg_type t on t.oid = a.atttypid
		left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attrelid = any($1) and a.attnum > 0 and not a.attisdropped
		order by a.attrelid, a.attnum`, r.oids)
	if err != nil {
		return err
	}
	var table uint32
	var c column
	_, err = pgx.ForEachRow(rows, []any{
		&table, &c.Name, &c.Type, &c.Collation, &c.NotNull, &c.Default, &c.Generated, &c.Identity, &c.Local, &c.Inherited,
		&c.Storage, &c.Usual, &c.Compression, &c.Statistics, &c.Options, &c.Comment, &c.DefaultOID, &c.TypeOID, &c.CollOID,
	}, func() error {
		own := c
		t := r.byOID[table]
		t.columns = append(t.columns, &own)
		return nil
	})
	if err != nil || r.version < 18 {
		return err
	}
	return r.notNulls(ctx)
}

// notNulls reads the constraints that NOT NULL is from 18 on.
func (r *reader) notNulls(ctx context.Context) error {
	type row struct {
		Table             uint32
		Column, Name      string
		NoInherit, Parsed bool
		Usual             bool
	}
	found, err := list[row](ctx, r, `
		select c.conrelid, a.attname::text, c.conname::text, c.connoinherit, c.convalidated,
			c.conname = left(t.relname || '_' || a.attname, 54) || '_not_null'
		from pg_constraint c join pg_class t on t.oid = c.conrelid
		join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
		where c.conrelid = any($1) and c.contype = 'n'`, r.oids)
	for _, n := range found {
		if c := r.byOID[n.Table].column(n.Column); c != nil {
			c.notNullName, c.noInherit, c.notValid, c.notNullUsual = n.Name, n.NoInherit, !n.Parsed, n.Usual
		}
	}
	return err
}

func (t *Table) column(name string) *column {
	for _, c := range t.columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// filled tells whether an insert may leave the column out.
func (c *column) filled() bool {
	return c.Default != "" || c.Identity != "" || c.Generated != ""
}

func (c *column) typeText() string {
	if c.Collation == "" {
		return c.Type
	}
	return c.Type + " collate " + c.Collation
}

// generation is how the column is computed. A version without virtual columns
// stores what it computes.
func (c *column) generation(version int) string {
	switch {
	case c.Generated == "v" && version >= 18:
		return "generated always as (" + c.Default + ") virtual"
	case c.Generated != "":
		return "generated always as (" + c.Default + ") stored"
	}
	return ""
}

// definition is the column's line in a create statement.
func (c *column) definition(on *Target) string {
	var b strings.Builder
	b.WriteString(ident.Quote(c.Name) + " " + c.typeText())
	switch {
	case c.Generated != "":
		b.WriteString(" " + c.generation(on.Version))
	case c.Identity != "":
		b.WriteString(" " + c.identity())
	case c.Default != "" && on.lacks(c.defaultNeeds) == nil:
		b.WriteString(" default " + c.Default)
	}
	switch {
	case !c.NotNull:
	case on.Version < 18 || c.notNullName == "" || c.notNullUsual && !c.noInherit:
		b.WriteString(" not null")
	case c.notValid: // has to be added by itself
	default:
		b.WriteString(" constraint " + ident.Quote(c.notNullName) + " not null")
		if c.noInherit {
			b.WriteString(" no inherit")
		}
	}
	return b.String()
}

func (c *column) identityKind() string {
	switch c.Identity {
	case "a":
		return "generated always as identity"
	case "d":
		return "generated by default as identity"
	}
	return ""
}

func (c *column) identity() string {
	return c.identityKind() + " (sequence name " + c.sequence.name.SQL() + " " + c.sequence.options() + ")"
}

func (r *reader) columnPart(t *relation, c *column) *Part {
	name := ident.Quote(c.Name)
	only := ""
	if c.Inherited && t.Kind != "p" { // its parents' columns are those to be changed
		only = "only "
	}
	alter := "alter table " + only + t.Name.SQL() + " "
	col := alter + "alter column " + name + " "
	p := &Part{
		Kind: Column, Name: c.Name, Table: t.Name, base: true, within: c.Inherited, parents: t.parents,
		words: "column " + name + " of table " + t.Name.String(), address: "column " + t.Name.SQL() + "." + name,
		needs: c.needs, uses: c.uses,
		stage: makeColumns, dropWhen: dropColumns, drop: alter + "drop column " + name,
	}
	p.make = func(on *Target) []string {
		add := alter + "add column "
		if c.Inherited {
			add += "if not exists "
		}
		return []string{add + c.definition(on)}
	}
	if c.Inherited {
		p.drop = ""
	}
	p.retyped = func(via string) string { return c.retyped(col, via) }
	p.facts = append(c.valueFacts(t, col), c.notNullFacts(t, alter)...)
	p.facts = append(p.facts, c.storageFacts(t)...)
	p.facts = append(p.facts, commentFact(p.address, c.Comment))
	return p
}

// valueFacts are those that tell what values the column takes, and which it
// makes by itself.
func (c *column) valueFacts(t *relation, col string) []fact {
	typ := fact{value: c.typeText(), needs: c.needs, stage: changeColumns}
	if !c.inKey && !c.Inherited {
		typ.set = func(string, string) []string { return []string{c.retyped(col, "")} }
	}
	def := fact{name: "default", stage: changeColumns, needs: c.defaultNeeds, set: func(_, v string) []string {
		if v == "" {
			return []string{col + "drop default"}
		}
		return []string{col + "set default " + v}
	}}
	gen := fact{none: "plain", stage: changeColumns, set: c.regenerate(col)}
	if c.Generated == "" {
		def.value = c.Default
	} else {
		gen.value = c.generation(18)
		gen.needs = c.defaultNeeds
	}
	identity := fact{name: "identity", value: c.identityKind(), stage: changeColumns, set: func(old, v string) []string {
		switch {
		case v == "":
			return []string{col + "drop identity"}
		case old == "":
			return []string{col + "add " + c.identity()}
		}
		return []string{col + "set " + strings.TrimSuffix(v, " as identity")}
	}}
	return []fact{typ, gen, def, identity}
}

// regenerate changes how a column is computed.
func (c *column) regenerate(col string) func(old, v string) []string {
	return func(old, v string) []string {
		if v == "" {
			return []string{col + "drop expression"}
		}
		return []string{col + "set expression as (" + c.Default + ")"} // where the version can; else the column is made anew
	}
}

// retyped gives the column its type; via is a cast that comes before, for
// types that have none between them.
func (c *column) retyped(col, via string) string {
	return col + "type " + c.typeText() + " using " + ident.Quote(c.Name) + via + "::" + c.Type
}

func (c *column) notNullFacts(t *relation, alter string) []fact {
	col := alter + "alter column " + ident.Quote(c.Name) + " "
	value := ""
	if c.NotNull {
		value = "NOT NULL"
	}
	facts := []fact{{value: value, none: "nullable", stage: changeColumns, set: func(_, v string) []string {
		if v == "" {
			return []string{col + "drop not null"}
		}
		if c.notNullName != "" && (c.noInherit || c.notValid) {
			return []string{alter + "add " + c.notNullConstraint()}
		}
		return []string{col + "set not null"}
	}}}
	if c.notNullName == "" {
		return facts
	}
	rename := fact{name: "NOT NULL constraint", value: c.notNullName, since: 18, quiet: c.notNullUsual, stage: changeTables}
	rename.within = func(old, v string) bool { return old == "" || v == "" } // that is told by NOT NULL itself
	rename.set = func(old, v string) []string {
		return []string{alter + "rename constraint " + ident.Quote(old) + " to " + ident.Quote(v)}
	}
	kind := fact{name: "kind of NOT NULL", since: 18, later: c.notValid, stage: changeTables}
	switch {
	case c.notValid:
		kind.value = "not valid"
	case c.noInherit:
		kind.value = "no inherit"
	}
	kind.set = func(old, v string) []string {
		switch {
		case v == "not valid":
			return []string{alter + "add " + c.notNullConstraint()}
		case old == "not valid":
			return []string{alter + "validate constraint " + ident.Quote(c.notNullName)}
		case v == "no inherit":
			return []string{alter + "alter constraint " + ident.Quote(c.notNullName) + " no inherit"}
		}
		return []string{alter + "alter constraint " + ident.Quote(c.notNullName) + " inherit"}
	}
	return append(facts, rename, kind)
}

func (c *column) notNullConstraint() string {
	sql := "constraint " + ident.Quote(c.notNullName) + " not null " + ident.Quote(c.Name)
	if c.noInherit {
		sql += " no inherit"
	}
	if c.notValid {
		sql += " not valid"
	}
	return sql
}

var (
	storageWords     = map[string]string{"p": "plain", "e": "external", "m": "main", "x": "extended"}
	compressionWords = map[string]string{"p": "pglz", "l": "lz4"}
)

// storageFacts are how the server keeps the values and what it counts of them.
func (c *column) storageFacts(t *relation) []fact {
	col := "alter table only " + t.Name.SQL() + " alter column " + ident.Quote(c.Name) + " "
	statistics := ""
	if c.Statistics >= 0 {
		statistics = strconv.Itoa(c.Statistics)
	}
	set := func(what, usual string) func(old, v string) []string {
		return func(_, v string) []string { return []string{fmt.Sprintf("%sset %s %s", col, what, orElse(v, usual))} }
	}
	facts := []fact{
		{name: "storage", value: storageWords[c.Storage], none: "the type's", later: true, full: true, stage: changeTables, set: set("storage", storageWords[c.Usual])},
		{name: "compression", value: compressionWords[c.Compression], none: "the default", later: true, full: true, since: 14, stage: changeTables, set: set("compression", "default")},
		{name: "statistics target", value: statistics, none: "the default", later: true, full: true, stage: changeTables, set: set("statistics", "-1")},
	}
	return append(facts, optionFacts(c.Options, col, changeTables)...)
}
