package structure

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// sequence is one that a column owns, or its default reads, or that was asked
// for.
type sequence struct {
	name                                      ident.Name
	oid                                       uint32
	typ                                       string
	start, increment, minimum, maximum, cache int64
	cycle, unlogged                           bool
	table                                     uint32 // of the column that owns it, 0 for none
	column                                    string
	identity                                  bool
	owner, comment                            string
	grants                                    []acl
}

var sequencesSQL = `
	select c.oid, n.nspname::text, c.relname::text, format_type(s.seqtypid, null),
		s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle, c.relpersistence = 'u',
		coalesce(d.refobjid, 0), coalesce(a.attname::text, ''), coalesce(d.deptype = 'i', false),
		pg_get_userbyid(c.relowner)::text, coalesce(obj_description(c.oid, 'pg_class'), ''), ` + sequenceGrants + `
	from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
	left join pg_depend d on d.classid = 'pg_class'::regclass::oid and d.objid = c.oid and d.objsubid = 0
		and d.refclassid = 'pg_class'::regclass::oid and d.refobjsubid > 0 and d.deptype in ('a', 'i')
	left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
	where d.refobjid = any($1) or c.oid = any($2)
		or exists (select from unnest($3::text[], $4::text[]) as w (s, r) where w.s = n.nspname and w.r = c.relname)
	order by n.nspname, c.relname`

func (r *reader) sequences(ctx context.Context) error {
	schemas, names := split(r.want.sequences)
	rows, err := r.tx.Query(ctx, sequencesSQL, r.oids, r.deps.sequences, schemas, names)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*sequence, error) {
		s := &sequence{}
		err := row.Scan(&s.oid, &s.name.Schema, &s.name.Name, &s.typ, &s.start, &s.increment, &s.minimum, &s.maximum, &s.cache,
			&s.cycle, &s.unlogged, &s.table, &s.column, &s.identity, &s.owner, &s.comment, &s.grants)
		return s, err
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		t := r.byOID[s.table]
		r.made[address{"pg_class", s.oid}] = true
		r.schemas[s.name.Schema] = true
		if t != nil && s.identity {
			t.column(s.column).sequence = s
		}
		r.parts = append(r.parts, s.part(t))
	}
	return nil
}

// options are all of them, so that they mean the same whatever was before.
func (s *sequence) options() string {
	cycle := "no cycle"
	if s.cycle {
		cycle = "cycle"
	}
	return fmt.Sprintf("start with %d increment by %d minvalue %d maxvalue %d cache %d %s",
		s.start, s.increment, s.minimum, s.maximum, s.cache, cycle)
}

func (s *sequence) part(t *relation) *Part {
	name := s.name.SQL()
	p := &Part{
		Kind: Sequence, Name: name, full: s.name, base: true, shared: true,
		words: "sequence " + s.name.String(), address: "sequence " + name,
		stage: makeSequences, dropWhen: dropLeft,
	}
	switch {
	case s.identity && t != nil:
		// It comes and goes with its column, whatever it is called.
		p.Table, p.Name, p.shared, p.within = t.Name, s.column, false, true
		p.facts = append(p.facts, fact{name: "name", value: name, stage: makeSequences, set: s.rename})
		p.make = func(*Target) []string { return nil }
	default:
		p.make = func(on *Target) []string {
			kind := "sequence"
			if s.unlogged && on.Version >= 15 {
				kind = "unlogged sequence"
			}
			return []string{fmt.Sprintf("create %s %s as %s %s", kind, name, s.typ, s.options())}
		}
		if s.column != "" && t != nil {
			p.drop = "drop sequence if exists " + name // its column's end may have been its own
		}
		p.facts = append(p.facts, s.ownedBy(t))
		if t != nil {
			p.owner = t.Name
		}
		p.rename = func(old string) string {
			return "alter sequence " + ident.Name{Schema: s.name.Schema, Name: old}.SQL() + " rename to " + ident.Quote(s.name.Name)
		}
	}
	set := func(string, string) []string {
		return []string{"alter sequence " + name + " as " + s.typ + " " + s.options()}
	}
	for _, f := range []struct{ name, value string }{
		{"type", s.typ},
		{"start", strconv.FormatInt(s.start, 10)},
		{"increment", strconv.FormatInt(s.increment, 10)},
		{"minimum", strconv.FormatInt(s.minimum, 10)},
		{"maximum", strconv.FormatInt(s.maximum, 10)},
		{"cache", strconv.FormatInt(s.cache, 10)},
		{"cycle", strconv.FormatBool(s.cycle)},
	} {
		p.facts = append(p.facts, fact{name: f.name, value: f.value, stage: changeTables, set: set})
	}
	p.facts = append(p.facts, commentFact("sequence "+name, s.comment))
	if !s.identity && s.column == "" {
		p.facts = append(p.facts, ownerFact("sequence "+name, s.owner, ownTables))
	}
	p.facts = append(p.facts, grantFacts("sequence", name, s.grants)...)
	return p
}

func (s *sequence) rename(old, _ string) []string {
	was, err := ident.Parse(old)
	if err != nil || old == "" {
		return nil
	}
	var all []string
	if was.Schema != s.name.Schema {
		return nil // that of an identity column is where its table is
	}
	return append(all, "alter sequence "+was.SQL()+" rename to "+ident.Quote(s.name.Name))
}

// ownedBy tells the column that the sequence goes with.
func (s *sequence) ownedBy(t *relation) fact {
	f := fact{name: "owner column", later: true, stage: ownSequences, set: func(_, v string) []string {
		return []string{"alter sequence " + s.name.SQL() + " owned by " + orElse(v, "none")}
	}}
	if t != nil {
		f.value = t.Name.SQL() + "." + ident.Quote(s.column)
	}
	return f
}
