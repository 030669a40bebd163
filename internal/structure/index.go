package structure

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// index is one that no constraint has made.
type index struct {
	oid, table uint32
	name       string
	quoted     string // as the server writes it into the definition
	def        string
	unique     bool
	columns    []string // plain ones that a key may consist of; nil with WHERE or expressions
	parent     string
	statistics []string // "attnum target" of expressions
	comment    string
	text       string // the name as regclass
	computed   bool   // has expressions or WHERE
	since      int
}

func (r *reader) indexes(ctx context.Context) error {
	since := "0"
	if r.version >= 15 {
		since = "case when i.indnullsnotdistinct then 15 else 0 end"
	}
	// One that its maker has left invalid is nobody's structure; a partitioned
	// one is so as long as a partition lacks its own.
	rows, err := r.tx.Query(ctx, `
		select i.indexrelid, i.indrelid, x.relname::text, quote_ident(x.relname), pg_get_indexdef(i.indexrelid), i.indisunique,
			case when i.indisunique and i.indpred is null and i.indexprs is null then array(
				select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k (attnum, nr)
				join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.nr <= i.indnkeyatts) end,
			coalesce((select h.inhparent::regclass::text from pg_inherits h where h.inhrelid = i.indexrelid), ''),
			array(select a.attnum || ' ' || a.attstattarget from pg_attribute a where a.attrelid = i.indexrelid and a.attstattarget >= 0),
			coalesce(obj_description(i.indexrelid, 'pg_class'), ''), i.indexrelid::regclass::text,
			i.indexprs is not null or i.indpred is not null, `+since+`
		from pg_index i join pg_class x on x.oid = i.indexrelid
		where i.indrelid = any($1) and (i.indisvalid or x.relkind = 'I') and not exists (
			select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x'))
		order by i.indrelid, x.relname`, r.oids)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*index, error) {
		x := &index{}
		err := row.Scan(&x.oid, &x.table, &x.name, &x.quoted, &x.def, &x.unique, &x.columns, &x.parent, &x.statistics, &x.comment, &x.text,
			&x.computed, &x.since)
		return x, err
	})
	for _, x := range all {
		p := x.part(r.byOID[x.table])
		p.needs, p.uses = r.deps.needs[address{"pg_class", x.oid}], r.deps.uses[address{"pg_class", x.oid}]
		r.parts = append(r.parts, p)
	}
	return err
}

func (x *index) part(t *relation) *Part {
	name := ident.Name{Schema: t.Name.Schema, Name: x.name}
	p := &Part{
		Kind: Index, Name: x.name, Table: t.Name, since: x.since, within: x.parent != "", key: x.columns, unique: x.unique,
		words: "index " + ident.Quote(x.name) + " of table " + t.Name.String(), address: "index " + name.SQL(),
		stage: makeIndexes, make: one(x.def), dropWhen: dropIndexes, drop: "drop index " + name.SQL(), expressions: x.computed, index: x.text,
		rename: func(old string) string {
			return "alter index " + ident.Name{Schema: t.Name.Schema, Name: old}.SQL() + " rename to " + ident.Quote(x.name)
		},
	}
	p.facts = []fact{{
		name: "definition", value: strings.Replace(x.def, " INDEX "+x.quoted+" ON ", " INDEX ON ", 1), stage: makeIndexes, remake: true,
	}, attachFact(name, x.parent)}
	for _, s := range x.statistics {
		attnum, target, _ := strings.Cut(s, " ")
		p.facts = append(p.facts, fact{
			name: "statistics target of column " + attnum, value: target, none: "the default", later: true, full: true, stage: attachIndexes,
			set: func(_, v string) []string {
				return []string{"alter index " + name.SQL() + " alter column " + attnum + " set statistics " + orElse(v, "-1")}
			},
		})
	}
	p.facts = append(p.facts, commentFact(p.address, x.comment))
	return p
}
