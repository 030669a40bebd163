package structure

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// dependences are what pg_depend says of the tables' own objects.
type dependences struct {
	needs     map[address][]need
	uses      map[address][]string // columns of the object's own table
	sequences []uint32             // read by defaults
}

// dependencesSQL: objects of initdb are in pg_depend of no version, so it
// tells what a server has of its own.
const dependencesSQL = `
	with o (classid, objid, relid) as (
		select 'pg_attrdef'::regclass::oid, oid, adrelid from pg_attrdef where adrelid = any($1)
		union all select 'pg_constraint'::regclass, oid, conrelid from pg_constraint where conrelid = any($1) or contypid = any($2)
		union all select 'pg_class'::regclass, indexrelid, indrelid from pg_index where indrelid = any($1)
		union all select 'pg_class'::regclass, oid, oid from pg_class where oid = any($1)
		union all select 'pg_policy'::regclass, oid, polrelid from pg_policy where polrelid = any($1)
		union all select 'pg_trigger'::regclass, oid, tgrelid from pg_trigger where tgrelid = any($1) and not tgisinternal
		union all select 'pg_statistic_ext'::regclass, oid, stxrelid from pg_statistic_ext where stxrelid = any($1)
		union all select 'pg_type'::regclass, oid, 0 from pg_type where oid = any($2)
		union all select 'pg_class'::regclass, typrelid, 0 from pg_type where oid = any($2) and typrelid <> 0
	)
	select distinct d.classid::regclass::text, d.objid, d.objsubid, o.relid, d.refclassid::regclass::text, d.refobjid,
		case when d.refclassid = 'pg_class'::regclass::oid and d.refobjid = o.relid then coalesce((
			select a.attname::text from pg_attribute a where a.attrelid = d.refobjid and a.attnum = d.refobjsubid), '') else '' end,
		coalesce((select c.relkind::text from pg_class c where d.refclassid = 'pg_class'::regclass::oid and c.oid = d.refobjid), ''),
		x.type, i.identity, x.object_names, x.object_args,
		coalesce((select e.extname::text from pg_depend m join pg_extension e on e.oid = m.refobjid
			where m.classid = d.refclassid and m.objid = d.refobjid and m.deptype = 'e'), '')
	from o join lateral (
		-- an array is there where its elements' type is
		select p.classid, p.objid, p.objsubid, p.refclassid, p.refobjsubid, p.deptype, coalesce((
			select t.typelem from pg_type t where p.refclassid = 'pg_type'::regclass::oid and t.oid = p.refobjid
				and t.typlen = -1 and t.typelem <> 0), p.refobjid) as refobjid
		from (
			select classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype
			from pg_depend where classid = o.classid and objid = o.objid
			-- what a generated column's expression needs is the column's before version 15
			union all select o.classid, o.objid, 0, c.refclassid, c.refobjid, c.refobjsubid, c.deptype
			from pg_attrdef f
			join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum and a.attgenerated <> ''
			join pg_depend c on c.classid = 'pg_class'::regclass::oid and c.objid = f.adrelid and c.objsubid = f.adnum and c.deptype = 'a'
			where o.classid = 'pg_attrdef'::regclass::oid and f.oid = o.objid
		) p
	) d on true
	cross join lateral pg_identify_object_as_address(d.refclassid, d.refobjid, 0) x
	cross join lateral pg_identify_object(d.refclassid, d.refobjid, 0) i
	where d.deptype in ('n', 'a') and d.refclassid not in ('pg_namespace'::regclass::oid, 'pg_am'::regclass::oid, 'pg_extension'::regclass::oid,
		'pg_authid'::regclass::oid, 'pg_trigger'::regclass::oid)`

type dependence struct {
	Class    string
	Object   uint32
	Sub      int32
	Table    uint32
	RefClass string
	Ref      uint32
	Column   string // of the object's own table
	Kind     string // relkind of what is referred to
	Type     string
	Identity string
	Names    []string
	Args     []string
	Ext      string
}

func (r *reader) dependences(ctx context.Context) error {
	r.deps = dependences{needs: map[address][]need{}, uses: map[address][]string{}}
	all, err := list[dependence](ctx, r, dependencesSQL, r.oids, r.typeOIDs())
	if err != nil {
		return err
	}
	for _, d := range all {
		r.note(d)
	}
	builtin, err := r.builtinFunctions(ctx)
	for at, needs := range builtin {
		r.deps.needs[at] = append(r.deps.needs[at], needs...)
	}
	for _, t := range r.rels {
		for _, c := range t.columns {
			at := address{"pg_attrdef", c.DefaultOID}
			c.defaultNeeds = r.deps.needs[at]
			c.uses = slices.DeleteFunc(r.deps.uses[at], func(name string) bool { return name == c.Name })
		}
	}
	return err
}

func (r *reader) note(d dependence) {
	at := address{d.Class, d.Object}
	n := need{kind: d.Type, name: d.Identity, names: d.Names, args: d.Args, extension: d.Ext}
	ref := address{d.RefClass, d.Ref}
	t := r.byOID[d.Table]
	ownTable := t != nil && d.RefClass == "pg_class" && d.Ref == d.Table
	switch {
	case ownTable && d.Class == "pg_class" && d.Object == d.Table: // the partition key, a generated column
		if c := t.column(d.Column); c != nil && t.partitionKey != "" {
			c.inKey = true
		}
	case ownTable:
		if d.Column != "" {
			r.deps.uses[at] = append(r.deps.uses[at], d.Column)
		}
	case d.RefClass == "pg_class" && (d.Kind == "i" || d.Kind == "I" || d.Class == "pg_class" && t != nil && d.Object == d.Table):
		// the index behind a foreign key; parents
	case d.Kind == "S" && d.Class == "pg_attrdef":
		r.deps.sequences = append(r.deps.sequences, d.Ref)
	case r.made[ref]:
	case t != nil && d.Class == "pg_class" && d.Object == d.Table && d.Sub > 0:
		// types and collations of columns are found by the columns
	case t != nil && d.Class == "pg_class" && d.Object == d.Table:
		t.needs = append(t.needs, n)
	default:
		r.deps.needs[at] = append(r.deps.needs[at], n)
	}
}

// builtinFunctions finds the server's own functions in expressions, which
// pg_depend does not tell: an older server may lack them.
func (r *reader) builtinFunctions(ctx context.Context) (map[address][]need, error) {
	rows, err := r.tx.Query(ctx, `
		with e (class, oid, tree) as (
			select 'pg_attrdef', oid, adbin::text from pg_attrdef where adrelid = any($1)
			union all select 'pg_constraint', oid, conbin::text from pg_constraint where conrelid = any($1) or contypid = any($2)
			union all select 'pg_class', indexrelid, concat(indexprs::text, indpred::text) from pg_index where indrelid = any($1)
			union all select 'pg_policy', oid, concat(polqual::text, polwithcheck::text) from pg_policy where polrelid = any($1)
			union all select 'pg_trigger', oid, tgqual::text from pg_trigger where tgrelid = any($1) and tgqual is not null
			union all select 'pg_type', oid, typdefaultbin::text from pg_type where oid = any($2)
		), f as (
			select distinct class, oid, m[1]::oid as func from e, regexp_matches(tree, ':funcid (\d+)', 'g') m
		)
		select f.class, f.oid, x.type, i.identity, x.object_names, x.object_args from f
		join pg_proc p on p.oid = f.func and p.pronamespace = 'pg_catalog'::regnamespace::oid
		cross join lateral pg_identify_object_as_address('pg_proc'::regclass, f.func, 0) x
		cross join lateral pg_identify_object('pg_proc'::regclass, f.func, 0) i`, r.oids, r.typeOIDs())
	if err != nil {
		return nil, err
	}
	found := map[address][]need{}
	var at address
	var n need
	_, err = pgx.ForEachRow(rows, []any{&at.class, &at.oid, &n.kind, &n.name, &n.names, &n.args}, func() error {
		found[at] = append(found[at], n)
		n.names, n.args = nil, nil
		return nil
	})
	return found, err
}

// Target is the end where statements are to run: what is there, and what the
// other end's parts need and it lacks.
type Target struct {
	*Structure
	Role string

	missing map[string]bool    // keys of needs
	casts   map[[2]string]bool // types that have a cast between them
	coming  map[string]bool    // tables that the other end's parts make
}

// lacks returns the first of needs that is not there; nil where all are.
func (t *Target) lacks(needs []need) *need {
	for i, n := range needs {
		if t.missing[n.key()] && !t.coming[n.key()] {
			return &needs[i]
		}
	}
	return nil
}

// ReadTarget reads at db what answers to prov, which was read at the other
// end.
func ReadTarget(ctx context.Context, db DB, prov *Structure) (*Target, error) {
	t := &Target{missing: map[string]bool{}, coming: map[string]bool{}, casts: map[[2]string]bool{}}
	err := readOnly(ctx, db, func(tx pgx.Tx) (err error) {
		if t.Structure, err = read(ctx, tx, prov.want); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "select current_user::text").Scan(&t.Role); err != nil {
			return err
		}
		for _, n := range prov.needs() {
			if t.missing[n.key()], err = isMissing(ctx, tx, n); err != nil {
				return err
			}
		}
		return t.readCasts(ctx, tx, prov)
	})
	for _, p := range prov.parts {
		if p.Kind == Relation {
			n := need{kind: "table", names: []string{p.Table.Schema, p.Table.Name}}
			t.coming[n.key()] = true
		}
	}
	return t, err
}

// readCasts asks for each column of another type whether values can be cast.
func (t *Target) readCasts(ctx context.Context, tx pgx.Tx, prov *Structure) error {
	for name, own := range t.Tables {
		for _, c := range own.columns {
			other := prov.Tables[name]
			if other == nil || other.column(c.Name) == nil || other.column(c.Name).Type == c.Type {
				continue
			}
			pair := [2]string{c.Type, other.column(c.Name).Type}
			failed, err := fails(ctx, tx, "select null::"+pair[0]+"::"+pair[1])
			if err != nil {
				return err
			}
			t.casts[pair] = !failed
		}
	}
	return nil
}

// fails tells whether the server refuses a statement.
func fails(ctx context.Context, tx pgx.Tx, sql string, args ...any) (bool, error) {
	sub, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	_, failed := sub.Exec(ctx, sql, args...)
	return failed != nil, sub.Rollback(ctx)
}

// needs are those of all parts, each once.
func (s *Structure) needs() []need {
	seen := map[string]bool{}
	var all []need
	add := func(list []need) {
		for _, n := range list {
			if !seen[n.key()] {
				seen[n.key()] = true
				all = append(all, n)
			}
		}
	}
	for _, p := range s.parts {
		add(p.needs)
		for _, f := range p.facts {
			add(f.needs)
		}
	}
	return all
}

// isMissing asks for one thing by its name.
func isMissing(ctx context.Context, tx pgx.Tx, n need) (missing bool, err error) {
	by := map[string]string{
		"type": "to_regtype($1) is null", "function": "to_regprocedure($1) is null", "aggregate": "to_regprocedure($1) is null",
		"table": "to_regclass($1) is null", "collation": "to_regcollation($1) is null", "operator": "to_regoperator($1) is null",
		"role": "not exists (select from pg_roles where rolname = $1)",
	}
	if test, ok := by[n.kind]; ok {
		name := n.name
		if n.kind == "table" {
			name = quoted(n.names)
		}
		sub, err := tx.Begin(ctx)
		if err != nil {
			return false, err
		}
		err = sub.QueryRow(ctx, "select "+test, name).Scan(&missing)
		if err != nil && refusal(err) { // a type among a function's arguments is missing, before 16
			missing, err = true, nil
		}
		return missing, errors.Join(err, sub.Rollback(context.WithoutCancel(ctx)))
	}
	// The others have no function that says null.
	return fails(ctx, tx, "select pg_get_object_address($1, $2, $3)", n.kind, n.names, n.args)
}
