package structure

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// typ is a type that columns use, or that such a one is made of.
type typ struct {
	oid        uint32
	name       ident.Name
	kind       string // pg_type.typtype
	catalog    bool   // the server's own
	array      bool
	ofTable    bool   // a table's row
	extension  string // that it belongs to
	text       string // as SQL writes it
	owner      string
	comment    string
	of         []uint32 // types that it is made of
	labels     []string // enum
	base       string   // domain: its type with collation
	collation  uint32
	notNull    bool
	def        string
	attributes []attribute // composite
	rangeDef   string
	grants     []acl
}

// attribute is a field of a composite type.
type attribute struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Collation uint32 `json:"collation"`
}

// typesSQL goes from the columns' types to all that they are made of.
func (r *reader) typesSQL() string {
	multi := "select null::oid where false"
	multiName := "''"
	if r.version >= 14 {
		multi = "select g.rngtypid from pg_range g where g.rngmultitypid = w.oid"
		multiName = "', multirange_type_name = ' || g.rngmultitypid::regtype::text"
	}
	parts := strings.ReplaceAll(`
		select t.typelem from pg_type t where t.oid = w.oid and t.typelem <> 0 and t.typlen = -1 and t.typtype = 'b'
		union all select t.typbasetype from pg_type t where t.oid = w.oid and t.typtype = 'd'
		union all select g.rngsubtype from pg_range g where g.rngtypid = w.oid
		union all `+multi+`
		union all select a.atttypid from pg_type t join pg_class c on c.oid = t.typrelid and c.relkind = 'c'
			join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where t.oid = w.oid`, "\n", " ")
	return `
	with recursive w (oid) as (
		select atttypid from pg_attribute where attrelid = any($1) and attnum > 0 and not attisdropped
		union select t.oid from unnest($2::text[], $3::text[]) as n (s, t) join pg_namespace ns on ns.nspname = n.s
			join pg_type t on t.typnamespace = ns.oid and t.typname = n.t
		union select p.oid from w cross join lateral (` + parts + `) p (oid)
	)
	select t.oid, n.nspname::text, t.typname::text, t.typtype::text, n.nspname in ('pg_catalog', 'information_schema'),
		t.typelem <> 0 and t.typlen = -1, coalesce((select c.relkind <> 'c' from pg_class c where c.oid = t.typrelid), false),
		coalesce((select e.extname::text from pg_depend m join pg_extension e on e.oid = m.refobjid
			where m.classid = 'pg_type'::regclass::oid and m.objid = t.oid and m.deptype = 'e'), ''),
		format_type(t.oid, null), pg_get_userbyid(t.typowner)::text, coalesce(obj_description(t.oid, 'pg_type'), ''),
		array(select p.oid from (select t.oid) w cross join lateral (` + parts + `) p (oid)),
		array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder),
		case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) || coalesce((
			select ' collate ' || t.typcollation::regcollation::text from pg_type b where b.oid = t.typbasetype and b.typcollation <> t.typcollation), '') else '' end,
		coalesce(case when t.typtype = 'd' and t.typcollation <> (select b.typcollation from pg_type b where b.oid = t.typbasetype) then t.typcollation end, 0),
		t.typnotnull, coalesce(pg_get_expr(t.typdefaultbin, 0), case when t.typtype = 'd' then quote_literal(t.typdefault) end, ''),
		coalesce((select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod) ||
				case when a.attcollation <> at.typcollation then ' collate ' || a.attcollation::regcollation::text else '' end,
				'collation', case when a.attcollation <> at.typcollation then a.attcollation::int8 else 0 end) order by a.attnum)
			from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
			join pg_type at on at.oid = a.atttypid where c.oid = t.typrelid and c.relkind = 'c'), '[]'),
		coalesce((select 'subtype = ' || format_type(g.rngsubtype, null)
				|| case when o.opcdefault then '' else ', subtype_opclass = ' || quote_ident(oc.nspname) || '.' || quote_ident(o.opcname) end
				|| case when g.rngcollation not in (0, st.typcollation) then ', collation = ' || g.rngcollation::regcollation else '' end
				|| case when g.rngcanonical <> 0 then ', canonical = ' || g.rngcanonical::regproc else '' end
				|| case when g.rngsubdiff <> 0 then ', subtype_diff = ' || g.rngsubdiff::regproc else '' end
				|| chr(10) || ` + multiName + `
			from pg_range g join pg_opclass o on o.oid = g.rngsubopc join pg_namespace oc on oc.oid = o.opcnamespace
			join pg_type st on st.oid = g.rngsubtype where g.rngtypid = t.oid), ''),
		` + typeGrants + `
	from w join pg_type t on t.oid = w.oid join pg_namespace n on n.oid = t.typnamespace
	order by n.nspname, t.typname`
}

func (r *reader) readTypes(ctx context.Context) error {
	schemas, names := split(r.want.types)
	rows, err := r.tx.Query(ctx, r.typesSQL(), r.oids, schemas, names)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*typ, error) {
		t := &typ{}
		err := row.Scan(&t.oid, &t.name.Schema, &t.name.Name, &t.kind, &t.catalog, &t.array, &t.ofTable, &t.extension, &t.text,
			&t.owner, &t.comment, &t.of, &t.labels, &t.base, &t.collation, &t.notNull, &t.def, &t.attributes, &t.rangeDef, &t.grants)
		return t, err
	})
	if err != nil {
		return err
	}
	for _, t := range all {
		r.types[t.oid] = t
		if t.isMade() {
			r.made[address{"pg_type", t.oid}] = true
			r.schemas[t.name.Schema] = true
		}
	}
	// An array, a multirange and a domain over something come with it.
	for _, t := range r.rels {
		for _, c := range t.columns {
			c.needs = r.typeNeeds(c.TypeOID, nil)
		}
	}
	return nil
}

// isMade tells whether statements can make the type: neither the server nor
// an extension has it, and it is written in SQL.
func (t *typ) isMade() bool {
	return !t.catalog && t.extension == "" && !t.array && !t.ofTable && strings.Contains("ecdr", t.kind)
}

// typeNeeds are the types that have to be there before one can be used.
func (r *reader) typeNeeds(oid uint32, seen []uint32) []need {
	t := r.types[oid]
	if t == nil || slices.Contains(seen, oid) {
		return nil
	}
	var all []need
	for _, part := range t.of {
		all = append(all, r.typeNeeds(part, append(seen, oid))...)
	}
	comesWith := !t.catalog && (t.array || t.kind == "m") && len(t.of) > 0
	if t.isMade() || comesWith {
		return all
	}
	if t.ofTable {
		if r.made[address{"pg_type", oid}] {
			return all
		}
		return append(all, need{kind: "table", name: t.name.String(), names: []string{t.name.Schema, t.name.Name}, args: []string{}})
	}
	return append(all, need{kind: "type", name: t.text, names: []string{t.text}, args: []string{}, extension: t.extension})
}

func (r *reader) typeOIDs() []uint32 {
	all := []uint32{}
	for oid, t := range r.types {
		if t.isMade() {
			all = append(all, oid)
		}
	}
	slices.Sort(all)
	return all
}

// typeParts come after dependences are known; a type follows those it is made
// of.
func (r *reader) typeParts(ctx context.Context) error {
	var done []uint32
	var visit func(oid uint32)
	visit = func(oid uint32) {
		t := r.types[oid]
		if t == nil || slices.Contains(done, oid) {
			return
		}
		done = append(done, oid)
		for _, part := range t.of {
			visit(part)
		}
		if t.isMade() {
			p := r.typePart(t)
			p.needs = append(r.typeNeeds(oid, nil), r.deps.needs[address{"pg_type", oid}]...)
			r.parts = append(r.parts, p)
		}
	}
	for _, oid := range r.typeOIDs() {
		visit(oid)
	}
	return r.domainChecks(ctx)
}

func (r *reader) typePart(t *typ) *Part {
	name, kind := t.name.SQL(), "type"
	if t.kind == "d" {
		kind = "domain"
	}
	p := &Part{
		Kind: Type, Name: name, full: t.name, base: true, shared: true,
		words: kind + " " + t.name.String(), address: kind + " " + name, stage: makeTypes,
	}
	create := "create " + kind + " " + name + " "
	switch t.kind {
	case "e":
		p.make = one(create + "as enum (" + literals(t.labels) + ")")
		p.facts = []fact{{value: "an enum"}, {name: "list of labels", value: literals(t.labels), stage: changeTypes, set: t.relabel}}
	case "c":
		var lines []string
		p.facts = []fact{{value: "a composite type"}}
		for _, a := range t.attributes {
			lines = append(lines, ident.Quote(a.Name)+" "+a.Type)
			p.facts = append(p.facts, t.attributeFact(a))
		}
		p.make = one(create + "as (" + inLines(lines) + ")")
	case "r":
		def, multi, _ := strings.Cut(t.rangeDef, "\n")
		p.make = func(on *Target) []string {
			if on.Version >= 14 {
				return []string{create + "as range (" + def + multi + ")"}
			}
			return []string{create + "as range (" + def + ")"}
		}
		p.facts = []fact{{value: "a range"}, {name: "definition", value: def}, {name: "multirange", value: strings.TrimPrefix(multi, ", multirange_type_name = "), since: 14, quiet: true}}
	case "d":
		p.make = one(create + "as " + t.domain())
		p.facts = t.domainFacts()
	}
	p.facts = append(p.facts, commentFact(p.address, t.comment), ownerFact("type "+name, t.owner, ownTables))
	p.facts = append(p.facts, grantFacts("type", name, t.grants)...)
	return p
}

func literals(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strings.TrimSpace(ident.Literal(s))
	}
	return strings.Join(quoted, ", ")
}

// relabel brings an enum's labels to what they are here: by new names where
// as many stand in the same places, else by adding. None can be taken away.
func (t *typ) relabel(old, _ string) []string {
	was := unliteral(old)
	alter := "alter type " + t.name.SQL() + " "
	var all []string
	if len(was) == len(t.labels) {
		for i, l := range t.labels {
			switch {
			case was[i] == l:
			case slices.Contains(was, l) || slices.Contains(t.labels, was[i]):
				return nil
			default:
				all = append(all, alter+"rename value "+ident.Literal(was[i])+" to "+ident.Literal(l))
			}
		}
		return all
	}
	at := 0
	for i, l := range t.labels {
		switch {
		case at < len(was) && was[at] == l:
			at++
		case i == 0 && len(was) > 0:
			all = append(all, alter+"add value "+ident.Literal(l)+" before "+ident.Literal(was[0]))
		case i == 0:
			all = append(all, alter+"add value "+ident.Literal(l))
		default:
			all = append(all, alter+"add value "+ident.Literal(l)+" after "+ident.Literal(t.labels[i-1]))
		}
	}
	if at < len(was) {
		return nil
	}
	return all
}

// unliteral takes apart what literals has joined.
func unliteral(s string) []string {
	var all []string
	for s != "" {
		escaped := strings.HasPrefix(s, "E")
		s = strings.TrimPrefix(s, "E")
		end := 1
		for end < len(s) && (s[end] != '\'' || end+1 < len(s) && s[end+1] == '\'') {
			if s[end] == '\'' {
				end++
			}
			end++
		}
		text := strings.ReplaceAll(s[1:end], "''", "'")
		if escaped {
			text = strings.ReplaceAll(text, `\\`, `\`)
		}
		all = append(all, text)
		s = strings.TrimPrefix(s[end+1:], ", ")
	}
	return all
}

// attributeFact: a type that columns use takes new attributes and gives up
// old ones, but their types stay.
func (t *typ) attributeFact(a attribute) fact {
	alter := "alter type " + t.name.SQL() + " "
	return fact{name: "attribute " + ident.Quote(a.Name), value: a.Type, stage: changeTypes, set: func(old, v string) []string {
		switch {
		case v == "":
			return []string{alter + "drop attribute " + ident.Quote(a.Name)}
		case old == "":
			return []string{alter + "add attribute " + ident.Quote(a.Name) + " " + v}
		}
		return nil
	}}
}

func (t *typ) domain() string {
	sql := t.base
	if t.def != "" {
		sql += " default " + t.def
	}
	if t.notNull {
		sql += " not null"
	}
	return sql
}

func (t *typ) domainFacts() []fact {
	alter := "alter domain " + t.name.SQL() + " "
	notNull := fact{none: "nullable", stage: changeTypes, set: func(_, v string) []string {
		if v == "" {
			return []string{alter + "drop not null"}
		}
		return []string{alter + "set not null"}
	}}
	if t.notNull {
		notNull.value = "NOT NULL"
	}
	return []fact{
		{value: "a domain over " + t.base},
		{name: "default", value: t.def, stage: changeTypes, set: func(_, v string) []string {
			if v == "" {
				return []string{alter + "drop default"}
			}
			return []string{alter + "set default " + v}
		}},
		notNull,
	}
}

// domainChecks are parts of their own, made after the domain.
func (r *reader) domainChecks(ctx context.Context) error {
	type row struct {
		OID, Type          uint32
		Name, Def, Comment string
	}
	found, err := list[row](ctx, r, `
		select oid, contypid, conname::text, pg_get_constraintdef(oid), coalesce(obj_description(oid, 'pg_constraint'), '')
		from pg_constraint where contypid = any($1) and contype = 'c' order by contypid, conname`, r.typeOIDs())
	for _, c := range found {
		t := r.types[c.Type]
		name := ident.Quote(c.Name)
		alter := "alter domain " + t.name.SQL() + " "
		p := &Part{
			Kind: Type, Name: t.name.SQL() + "." + name, base: true, of: t.name.SQL(),
			words: "constraint " + name + " of domain " + t.name.String(), address: "constraint " + name + " on domain " + t.name.SQL(),
			stage: changeTypes, make: one(alter + "add constraint " + name + " " + c.Def),
			drop: alter + "drop constraint " + name, dropWhen: dropChecks, needs: r.deps.needs[address{"pg_constraint", c.OID}],
			rename: func(old string) string { return alter + "rename constraint " + ident.Quote(old) + " to " + name },
		}
		p.facts = []fact{{name: "definition", value: c.Def, remake: true, set: func(old, v string) []string {
			if old == v+notValid {
				return []string{alter + "validate constraint " + name}
			}
			return nil
		}, stage: changeTypes}, commentFact(p.address, c.Comment)}
		r.parts = append(r.parts, p)
	}
	return err
}
