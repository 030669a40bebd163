package structure

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// constraint is a row of pg_constraint, NOT NULL excepted.
type constraint struct {
	oid, table uint32
	name       string
	kind       string // c(heck), p(rimary), u(nique), x (exclusion), f(oreign)
	def        string
	inherited  bool
	local      bool
	columns    []string
	comment    string
	index      string   // of p, u and x
	options    []string // that index's
	indexText  string   // its name as regclass
	parent     string   // the index that it is a part of
	indexNote  string   // the comment on it
	since      int
}

func (r *reader) constraints(ctx context.Context) error {
	since := "0"
	if r.version >= 15 {
		since = "case when c.contype = 'f' and c.confdelsetcols is not null or i.indnullsnotdistinct then 15 else 0 end"
	}
	if r.version >= 18 {
		since = "case when c.conperiod or not c.conenforced then 18 else " + since + " end"
	}
	rows, err := r.tx.Query(ctx, `
		select c.oid, c.conrelid, c.conname::text, c.contype::text, pg_get_constraintdef(c.oid), c.coninhcount > 0, c.conislocal,
			array(select a.attname::text from unnest(c.conkey) k join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k),
			coalesce(obj_description(c.oid, 'pg_constraint'), ''),
			coalesce(x.relname::text, ''), coalesce(x.oid::regclass::text, ''), coalesce(x.reloptions, '{}'),
			coalesce((select pi.indexrelid::regclass::text from pg_inherits h join pg_index pi on pi.indexrelid = h.inhparent
				where h.inhrelid = i.indexrelid), ''),
			coalesce(obj_description(x.oid, 'pg_class'), ''), `+since+`
		from pg_constraint c
		left join pg_index i on i.indexrelid = c.conindid and c.contype in ('p', 'u', 'x')
		left join pg_class x on x.oid = i.indexrelid
		where c.conrelid = any($1) and c.contype in ('c', 'p', 'u', 'x', 'f') and (c.conparentid = 0 or c.contype <> 'f')
		order by c.conrelid, strpos('pucxf', c.contype::text), c.conname`, r.oids)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*constraint, error) {
		c := &constraint{}
		err := row.Scan(&c.oid, &c.table, &c.name, &c.kind, &c.def, &c.inherited, &c.local, &c.columns, &c.comment,
			&c.index, &c.indexText, &c.options, &c.parent, &c.indexNote, &c.since)
		return c, err
	})
	for _, c := range all {
		t := r.byOID[c.table]
		needs := r.deps.needs[address{"pg_constraint", c.oid}]
		if c.inline() {
			t.checks = append(t.checks, inlineCheck{"constraint " + ident.Quote(c.name) + " " + c.def, needs, c.inherited})
		}
		if c.kind == "c" && c.inherited {
			continue // its parents'
		}
		p := c.part(t)
		p.needs = needs
		p.uses = append(p.uses, r.deps.uses[address{"pg_constraint", c.oid}]...)
		r.parts = append(r.parts, p)
	}
	return err
}

const notValid = " NOT VALID"

// inline tells whether the create statement of the table has it: that would
// check rows where there are none, so it cannot leave them unchecked.
func (c *constraint) inline() bool {
	return c.kind == "c" && !strings.HasSuffix(c.def, notValid) && c.since == 0
}

func (c *constraint) part(t *relation) *Part {
	only := "only "
	// A check holds for heirs too, and a partitioned table's foreign key for
	// its partitions; an index is attached to its parent by itself.
	if c.kind == "c" || c.kind == "f" && t.Kind == "p" {
		only = ""
	}
	name := ident.Quote(c.name)
	alter := "alter table " + only + t.Name.SQL() + " "
	p := &Part{
		Kind: Constraint, Name: c.name, Table: t.Name, since: c.since, uses: c.columns,
		base: c.kind == "p" || c.kind == "c", key: c.columns, unique: c.kind == "u" || c.kind == "p", inline: c.inline(), index: c.indexText,
		words: "constraint " + name + " of table " + t.Name.String(), address: "constraint " + name + " on " + t.Name.SQL(),
		make: one(alter + "add constraint " + name + " " + c.def), drop: alter + "drop constraint " + name,
		rename: func(old string) string {
			return "alter table " + t.Name.SQL() + " rename constraint " + ident.Quote(old) + " to " + name
		},
	}
	switch c.kind {
	case "c":
		p.stage, p.dropWhen = makeChecks, dropChecks
		p.expressions = true
	case "f":
		p.stage, p.dropWhen = makeReferences, dropReferences
	default:
		p.stage, p.dropWhen = makeKeys, dropIndexes
		p.expressions = c.kind == "x"
	}
	p.facts = []fact{{name: "definition", value: c.def, stage: p.stage, set: func(old, v string) []string {
		if old == v+notValid && c.since == 0 {
			return []string{"alter table " + t.Name.SQL() + " validate constraint " + name}
		}
		return nil
	}, remake: true}}
	if c.index != "" {
		index := ident.Name{Schema: t.Name.Schema, Name: c.index}
		p.within = c.parent != ""
		p.facts = append(p.facts, optionFacts(c.options, "alter index "+index.SQL()+" ", attachIndexes)...)
		p.facts = append(p.facts, attachFact(index, c.parent))
		note := commentFact("index "+index.SQL(), c.indexNote)
		note.name = "comment of the index"
		p.facts = append(p.facts, note)
	}
	p.facts = append(p.facts, commentFact(p.address, c.comment))
	return p
}

// attachFact makes an index of a partition a part of the partitioned one.
func attachFact(index ident.Name, parent string) fact {
	return fact{name: "parent index", value: parent, later: true, stage: attachIndexes, set: func(old, v string) []string {
		if old != "" {
			return nil // there is no way back but to lose the parent
		}
		return []string{"alter index " + v + " attach partition " + index.SQL()}
	}}
}
