package structure

import (
	"context"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// collations reads those that columns, domains and attributes use and the
// server does not have by itself. Those in expressions have to be there.
func (r *reader) collations(ctx context.Context) error {
	oids := []uint32{}
	for _, t := range r.rels {
		for _, c := range t.columns {
			oids = append(oids, c.CollOID)
		}
	}
	for _, t := range r.types {
		oids = append(oids, t.collation)
		for _, a := range t.attributes {
			oids = append(oids, a.Collation)
		}
	}
	schemas, names := split(r.want.collations)
	type row struct {
		OID               uint32
		Schema, Name, Def string
		Owner, Comment    string
		Rules             bool
	}
	found, err := list[row](ctx, r, `
		select c.oid, n.nspname::text, c.collname::text, 'provider = '
			|| case c.collprovider when 'i' then 'icu' when 'b' then 'builtin' when 'd' then 'default' else 'libc' end
			|| case when c.collprovider in ('i', 'b') then ', locale = ' || quote_literal(coalesce(
					j ->> 'colllocale', j ->> 'colliculocale', j ->> 'collcollate'))
				when c.collcollate = c.collctype then ', locale = ' || quote_literal(c.collcollate)
				else ', lc_collate = ' || quote_literal(c.collcollate) || ', lc_ctype = ' || quote_literal(c.collctype) end
			|| coalesce(', rules = ' || quote_literal(j ->> 'collicurules'), '')
			|| case when c.collisdeterministic then '' else ', deterministic = false' end,
			pg_get_userbyid(c.collowner)::text, coalesce(obj_description(c.oid, 'pg_collation'), ''), j ->> 'collicurules' is not null
		from pg_collation c join pg_namespace n on n.oid = c.collnamespace
		cross join lateral to_jsonb(c) j
		where n.nspname <> 'pg_catalog' and (c.oid = any($1) or exists (
			select from unnest($2::text[], $3::text[]) as w (s, c) where w.s = n.nspname and w.c = collname))
		order by n.nspname, c.collname`, oids, schemas, names)
	for _, c := range found {
		name := ident.Name{Schema: c.Schema, Name: c.Name}
		r.made[address{"pg_collation", c.OID}] = true
		r.schemas[c.Schema] = true
		p := &Part{
			Kind: Collation, Name: name.SQL(), full: name, base: true, shared: true,
			words: "collation " + name.String(), address: "collation " + name.SQL(),
			stage: makeCollations, make: one("create collation " + name.SQL() + " (" + c.Def + ")"),
		}
		if c.Rules {
			p.since = 16
		}
		p.facts = []fact{{name: "definition", value: c.Def}, commentFact(p.address, c.Comment), ownerFact(p.address, c.Owner, ownTables)}
		r.parts = append(r.parts, p)
	}
	return err
}

// readSchemas are those that hold what is made.
func (r *reader) readSchemas(ctx context.Context) error {
	names := slices.Clone(r.want.schemas)
	for n := range r.schemas {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	type row struct {
		Name, Comment string
		Grants        []acl
	}
	found, err := list[row](ctx, r, `
		select n.nspname::text, coalesce(obj_description(n.oid, 'pg_namespace'), ''), `+schemaGrants+`
		from pg_namespace n where n.nspname = any($1) order by n.nspname`, names)
	for _, n := range found {
		p := &Part{
			Kind: Schema, Name: n.Name, base: true, shared: true, full: ident.Name{Schema: n.Name},
			words: "schema " + ident.Quote(n.Name), address: "schema " + ident.Quote(n.Name),
			stage: makeSchemas, make: one("create schema " + ident.Quote(n.Name)),
		}
		if n.Name != "public" { // which is everywhere, and different in each version
			p.facts = append([]fact{commentFact(p.address, n.Comment)}, grantFacts("schema", ident.Quote(n.Name), n.Grants)...)
		}
		r.parts = append(r.parts, p)
	}
	return err
}

// statistics are those over several columns or expressions.
func (r *reader) statistics(ctx context.Context) error {
	type row struct {
		OID, Table        uint32
		Schema, Name, Def string
		Target            string
		Comment, Owner    string
	}
	found, err := list[row](ctx, r, `
		select s.oid, s.stxrelid, n.nspname::text, s.stxname::text, pg_get_statisticsobjdef(s.oid),
			case when s.stxstattarget >= 0 then s.stxstattarget::text else '' end,
			coalesce(obj_description(s.oid, 'pg_statistic_ext'), ''), pg_get_userbyid(s.stxowner)::text
		from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
		where s.stxrelid = any($1) order by s.stxrelid, n.nspname, s.stxname`, r.oids)
	for _, s := range found {
		at := address{"pg_statistic_ext", s.OID}
		name := ident.Name{Schema: s.Schema, Name: s.Name}
		p := &Part{
			Kind: Statistics, Name: name.SQL(), Table: r.byOID[s.Table].Name,
			words: "statistics " + name.String() + " of table " + r.byOID[s.Table].Name.String(), address: "statistics " + name.SQL(),
			stage: makePolicies, make: one(s.Def), drop: "drop statistics " + name.SQL(), dropWhen: dropReferences,
			needs: r.deps.needs[at], uses: r.deps.uses[at], expressions: true,
		}
		p.facts = []fact{
			{name: "definition", value: s.Def, remake: true, stage: makePolicies},
			{name: "statistics target", value: s.Target, none: "the default", later: true, stage: comment, set: func(_, v string) []string {
				return []string{"alter " + p.address + " set statistics " + orElse(v, "-1")}
			}},
			commentFact(p.address, s.Comment),
			ownerFact(p.address, s.Owner, comment),
		}
		r.parts = append(r.parts, p)
	}
	return err
}

// policies of row level security.
func (r *reader) policies(ctx context.Context) error {
	type row struct {
		OID, Table         uint32
		Name, Def, Comment string
		Roles              []string
	}
	found, err := list[row](ctx, r, `
		select p.oid, p.polrelid, p.polname::text,
			case when p.polpermissive then '' else 'as restrictive ' end || 'for '
			|| case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
			|| ' to ' || (select string_agg(case when o = 0 then 'public' else quote_ident(pg_get_userbyid(o)) end, ', ' order by o) from unnest(p.polroles) o)
			|| coalesce(' using (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
			|| coalesce(' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''),
			coalesce(obj_description(p.oid, 'pg_policy'), ''),
			array(select pg_get_userbyid(o)::text from unnest(p.polroles) o where o <> 0)
		from pg_policy p where p.polrelid = any($1) order by p.polrelid, p.polname`, r.oids)
	for _, y := range found {
		at := address{"pg_policy", y.OID}
		t := r.byOID[y.Table]
		on := ident.Quote(y.Name) + " on " + t.Name.SQL()
		p := &Part{
			Kind: Policy, Name: y.Name, Table: t.Name,
			words: "policy " + ident.Quote(y.Name) + " of table " + t.Name.String(), address: "policy " + on,
			stage: makePolicies, make: one("create policy " + on + " " + y.Def), drop: "drop policy " + on, dropWhen: dropReferences,
			needs: r.deps.needs[at], uses: r.deps.uses[at], expressions: true,
		}
		for _, role := range y.Roles {
			p.needs = append(p.needs, need{kind: "role", name: role, names: []string{role}, args: []string{}})
		}
		p.facts = []fact{{name: "definition", value: y.Def, remake: true, stage: makePolicies}, commentFact(p.address, y.Comment)}
		r.parts = append(r.parts, p)
	}
	return err
}

// quoted joins the parts of a name.
func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = ident.Quote(n)
	}
	return strings.Join(all, ".")
}
