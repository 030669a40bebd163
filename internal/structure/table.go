package structure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Table is what can be said of a table in short.
type Table struct {
	Name  ident.Name
	Kind  string // pg_class.relkind
	Owner string
	Owned bool  // the role connected is the owner, or has its rights
	Keys  []Key // the primary key first

	columns []*column
	by      string      // how it is partitioned
	whole   *ident.Name // what it is a partition of
}

// Key is an index by which a row can be found: unique over plain NOT NULL
// columns, whole, valid, checked at once.
type Key struct {
	Index   string
	Primary bool
	Columns []string
}

// HasKey tells whether exactly these columns, in any order, are a key.
func (t *Table) HasKey(columns []string) bool {
	return slices.ContainsFunc(t.Keys, func(k Key) bool { return sameSet(k.Columns, columns) })
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func (t *Table) isTable() bool { return t.Kind == "r" || t.Kind == "p" }

// relation is a table with what its own parts are made of.
type relation struct {
	Table
	oid             uint32
	persistence     string
	options         []string
	partitionKey    string
	bound           string       // FOR VALUES …
	parents         []ident.Name // partitioned or inherited from
	checks          []inlineCheck
	replicaIdentity string // default, nothing, full, or using index …
	clustered       string
	security, force bool
	comment         string
	grants          []acl
	needs           []need // of the partition key
	access          string // the access method where it is not heap
}

// inlineCheck is told in the create statement: attaching a partition wants
// all checks of its parent there.
type inlineCheck struct {
	sql       string
	needs     []need
	inherited bool
}

func (t *relation) partition() bool { return t.bound != "" }

var relationsSQL = `
	with recursive w as (
		select c.oid from unnest($1::text[], $2::text[]) as w (s, r)
		join pg_namespace n on n.nspname = w.s
		join pg_class c on c.relnamespace = n.oid and c.relname = w.r
		where c.relkind in ('r', 'p', 'v', 'm', 'f')
		union
		select k.oid from w join pg_class c on c.oid = w.oid and c.relkind = 'p'
		join pg_inherits i on i.inhparent = w.oid
		join pg_class k on k.oid = i.inhrelid and k.relkind in ('r', 'p')
	)
	select c.oid, n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,
		pg_has_role(c.relowner, 'USAGE'), c.relpersistence::text,
		array(select unnest(c.reloptions) union all select 'toast.' || unnest(t.reloptions)),
		case when c.relkind = 'p' then pg_get_partkeydef(c.oid) else '' end,
		coalesce(pg_get_expr(c.relpartbound, c.oid), ''),
		array(select pn.nspname::text from pg_inherits i join pg_class p on p.oid = i.inhparent
			join pg_namespace pn on pn.oid = p.relnamespace where i.inhrelid = c.oid order by i.inhseqno),
		array(select p.relname::text from pg_inherits i join pg_class p on p.oid = i.inhparent
			where i.inhrelid = c.oid order by i.inhseqno),
		case c.relreplident when 'n' then 'nothing' when 'f' then 'full' when 'i' then coalesce('using index ' || (
			select quote_ident(x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
			where i.indrelid = c.oid and i.indisreplident), 'nothing') else 'default' end,
		coalesce((select quote_ident(x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
			where i.indrelid = c.oid and i.indisclustered), ''),
		c.relrowsecurity, c.relforcerowsecurity, coalesce(obj_description(c.oid, 'pg_class'), ''),
		coalesce((select am.amname::text from pg_am am where am.oid = c.relam and am.amname <> 'heap' and c.relkind = 'r'), ''),
		` + tableGrants + `
	from w join pg_class c on c.oid = w.oid join pg_namespace n on n.oid = c.relnamespace
	left join pg_class t on t.oid = c.reltoastrelid
	order by (
		with recursive up as (
			select i.inhparent from pg_inherits i where i.inhrelid = c.oid
			union select i.inhparent from up join pg_inherits i on i.inhrelid = up.inhparent
		) select count(*) from up
	), n.nspname, c.relname`

func (r *reader) relations(ctx context.Context) error {
	schemas, rels := split(r.want.tables)
	rows, err := r.tx.Query(ctx, relationsSQL, schemas, rels)
	if err != nil {
		return err
	}
	r.rels, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*relation, error) {
		t := &relation{}
		var parentSchemas, parents []string
		err := row.Scan(&t.oid, &t.Name.Schema, &t.Name.Name, &t.Kind, &t.Owner, &t.Owned, &t.persistence, &t.options,
			&t.partitionKey, &t.bound, &parentSchemas, &parents, &t.replicaIdentity, &t.clustered,
			&t.security, &t.force, &t.comment, &t.access, &t.grants)
		for i, p := range parents {
			t.parents = append(t.parents, ident.Name{Schema: parentSchemas[i], Name: p})
		}
		t.by = t.partitionKey
		if t.partition() {
			t.whole = &t.parents[0]
		}
		return t, err
	})
	// In the order they were asked for, as far as parents allow.
	rank := func(t *relation) int { return slices.Index(r.want.tables, t.Name) }
	slices.SortStableFunc(r.rels, func(a, b *relation) int {
		if len(a.parents)+len(b.parents) > 0 {
			return 0
		}
		return rank(a) - rank(b)
	})
	for _, t := range r.rels {
		r.byOID[t.oid] = t
		if t.isTable() {
			r.oids = append(r.oids, t.oid)
			r.made[address{"pg_class", t.oid}] = true
			r.schemas[t.Name.Schema] = true
		}
	}
	return err
}

// Keys reads nothing but the tables and their keys.
func Keys(ctx context.Context, db DB, tables []ident.Name) (map[ident.Name]*Table, error) {
	found := map[ident.Name]*Table{}
	err := readOnly(ctx, db, func(tx pgx.Tx) error {
		r := &reader{tx: tx, want: want{tables: tables}, byOID: map[uint32]*relation{}, made: map[address]bool{}, schemas: map[string]bool{}}
		if err := r.relations(ctx); err != nil {
			return err
		}
		for _, t := range r.rels {
			found[t.Name] = &t.Table
		}
		return r.keys(ctx)
	})
	return found, err
}

func (r *reader) keys(ctx context.Context) error {
	type row struct {
		Table   uint32
		Index   string
		Primary bool
		Columns []string
	}
	found, err := list[row](ctx, r, `
		select i.indrelid, c.relname::text, i.indisprimary, k.columns
		from pg_index i
		join pg_class c on c.oid = i.indexrelid
		cross join lateral (
			select array_agg(a.attname::text order by o.nr) as columns, bool_and(a.attnotnull) as all_set
			from unnest(i.indkey::int2[]) with ordinality as o (attnum, nr)
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = o.attnum
			where o.nr <= i.indnkeyatts) k
		where i.indrelid = any($1) and i.indisunique and i.indisvalid
			and i.indpred is null and i.indexprs is null and k.all_set
		order by i.indrelid, i.indisprimary desc, c.relname`, r.oids)
	for _, k := range found {
		t := r.byOID[k.Table]
		t.Keys = append(t.Keys, Key{k.Index, k.Primary, k.Columns})
	}
	return err
}

func (r *reader) tablePart(t *relation) *Part {
	p := &Part{
		Kind: Relation, Name: t.Name.SQL(), Table: t.Name, base: true,
		words: "table " + t.Name.String(), address: "table " + t.Name.SQL(),
		stage: makeTables, make: t.create,
		needs: t.needs,
	}
	alter := "alter table only " + t.Name.SQL() + " "
	persistence := map[string]string{"p": "logged", "u": "unlogged"}
	p.facts = []fact{
		{value: persistence[t.persistence], stage: changeTables, set: func(_, v string) []string {
			return []string{"alter table " + t.Name.SQL() + " set " + v}
		}},
		{value: kindWords(t), none: "not partitioned"},
	}
	p.facts = append(p.facts, t.parentFacts()...)
	p.facts = append(p.facts, optionFacts(t.options, alter, changeTables)...)
	p.facts = append(p.facts,
		fact{name: "replica identity", value: ifNot(t.replicaIdentity, "default"), none: "default", later: true, full: true, stage: attachIndexes, set: func(_, v string) []string {
			return []string{alter + "replica identity " + orElse(v, "default")}
		}},
		fact{name: "index it is clustered by", value: t.clustered, later: true, full: true, stage: attachIndexes, set: func(_, v string) []string {
			if v == "" {
				return []string{alter + "set without cluster"}
			}
			return []string{alter + "cluster on " + v}
		}},
		flag("row level security", t.security, func(on bool) string { return alter + enable(on) + " row level security" }),
		flag("row level security for the owner", t.force, func(on bool) string {
			if on {
				return alter + "force row level security"
			}
			return alter + "no force row level security"
		}),
		commentFact(p.address, t.comment),
		ownerFact("table "+t.Name.SQL(), t.Owner, ownTables),
	)
	p.facts = append(p.facts, grantFacts("table", t.Name.SQL(), t.grants)...)
	return p
}

func enable(on bool) string {
	if on {
		return "enable"
	}
	return "disable"
}

func kindWords(t *relation) string {
	if t.Kind == "p" {
		return "partitioned by " + t.partitionKey
	}
	return ""
}

func flag(name string, on bool, set func(on bool) string) fact {
	f := fact{name: name, none: "off", later: true, full: true, stage: makePolicies, set: func(_, v string) []string { return []string{set(v != "")} }}
	if on {
		f.value = "on"
	}
	return f
}

// parentFacts tell whose partition or heir the table is.
func (t *relation) parentFacts() []fact {
	var needs []need
	var names []string
	for _, p := range t.parents {
		needs = append(needs, need{kind: "table", name: p.String(), names: []string{p.Schema, p.Name}, args: []string{}})
		names = append(names, p.SQL())
	}
	if t.partition() {
		parent := names[0]
		return []fact{{
			name: "place", value: "a partition of " + t.parents[0].String() + " " + t.bound, none: "no partition",
			later: true, stage: attachTables, needs: needs,
			set: func(old, v string) []string {
				attach := "alter table only " + parent + " attach partition " + t.Name.SQL() + " " + t.bound
				switch {
				case v == "":
					return []string{"alter table " + parent + " detach partition " + t.Name.SQL()}
				case old == "":
					return []string{attach}
				case !strings.HasPrefix(old, "a partition of "+t.parents[0].String()+" "):
					return nil
				}
				return []string{"alter table " + parent + " detach partition " + t.Name.SQL(), attach}
			},
		}}
	}
	return []fact{{
		name: "list of parents", value: strings.Join(names, ", "), stage: attachTables, needs: needs,
		set: func(old, v string) []string {
			was, is := fields(old), fields(v)
			var all []string
			for _, n := range was {
				if !slices.Contains(is, n) {
					all = append(all, "alter table only "+t.Name.SQL()+" no inherit "+n)
				}
			}
			for _, n := range is {
				if !slices.Contains(was, n) {
					all = append(all, "alter table only "+t.Name.SQL()+" inherit "+n)
				}
			}
			return all
		},
	}}
}

// fields takes a list of quoted names apart.
func fields(s string) []string {
	var all []string
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			all = append(all, s[from:i])
			from = i + 2
		}
	}
	if s == "" {
		return nil
	}
	return append(all, s[from:])
}

// optionFacts are the storage parameters of a relation or column.
func optionFacts(options []string, alter string, at stage) []fact {
	var all []fact
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		all = append(all, fact{
			name: "storage parameter " + name, value: value, later: true, full: true, stage: at,
			set: func(_, v string) []string {
				if v == "" {
					return []string{alter + "reset (" + name + ")"}
				}
				return []string{alter + "set (" + name + " = " + ident.Literal(v) + ")"}
			},
		})
	}
	return all
}

// create makes the table with its columns and checks. Whether it is a
// partition is told later, by attaching it.
func (t *relation) create(on *Target) []string {
	heir := len(t.parents) > 0 && !t.partition() && t.parentsThere(on)
	var lines []string
	for _, c := range t.columns {
		if !heir || c.Local {
			lines = append(lines, c.definition(on))
		}
	}
	for _, c := range t.checks {
		if on.lacks(c.needs) == nil && (!heir || !c.inherited) {
			lines = append(lines, c.sql)
		}
	}
	kind := "table"
	if t.persistence == "u" {
		kind = "unlogged table"
	}
	sql := fmt.Sprintf("create %s %s (%s)", kind, t.Name.SQL(), inLines(lines))
	if heir {
		var names []string
		for _, p := range t.parents {
			names = append(names, p.SQL())
		}
		sql += " inherits (" + strings.Join(names, ", ") + ")"
	}
	if t.Kind == "p" {
		sql += " partition by " + t.partitionKey
	}
	if t.access != "" {
		sql += " using " + ident.Quote(t.access)
	}
	return []string{sql}
}

func (t *relation) parentsThere(on *Target) bool {
	for _, f := range t.parentFacts() {
		if on.lacks(f.needs) != nil {
			return false
		}
	}
	return true
}

func inLines(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "\n    " + strings.Join(lines, ",\n    ") + "\n"
}

func ifNot(s, usual string) string {
	if s == usual {
		return ""
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
