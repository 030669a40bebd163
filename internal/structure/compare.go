package structure

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/ident"
)

// Options narrow a comparison.
type Options struct {
	// Keys are the columns by which rows are told apart, where it is not the
	// primary key; an empty list where the table needs none.
	Keys map[ident.Name][]string
	// Base: nothing but schema, types, columns, defaults, identity, checks and
	// key.
	Base bool
	// Own are schemas whose functions are the caller's: triggers that call
	// them are passed over.
	Own []string
}

type comparer struct {
	prov *Structure
	sub  *Target
	opt  Options
	list []*Difference

	absent  map[ident.Name]*Difference // tables to be made
	ignored map[ident.Name]bool        // no tables at one end
	matched map[*Part]bool             // of the subscriber
	renamed map[string]string          // indexes of the subscriber that get the provider's names
}

// Compare finds what the subscriber's end has to be given, changed or freed
// from to be like the provider's.
func Compare(prov *Structure, sub *Target, opt Options) []Difference {
	c := &comparer{
		prov: prov, sub: sub, opt: opt, absent: map[ident.Name]*Difference{}, ignored: map[ident.Name]bool{},
		matched: map[*Part]bool{}, renamed: map[string]string{},
	}
	c.ends()
	c.partitions(prov.Tables)
	c.partitions(sub.Tables)
	for _, p := range prov.parts {
		if c.concerns(p) {
			c.part(p)
		}
	}
	for _, s := range sub.parts {
		if !c.matched[s] && c.concerns(s) {
			c.extra(s)
		}
	}
	c.rules()
	for _, n := range prov.want.tables {
		c.judgeKey(n)
	}
	var all []Difference
	for _, d := range c.list {
		d.settle()
		all = append(all, *d)
	}
	return all
}

// ends looks at which tables are there at all.
func (c *comparer) ends() {
	for _, n := range c.prov.asked.tables {
		p, s := c.prov.Tables[n], c.sub.Tables[n]
		var d *Difference
		switch {
		case p == nil:
			d = c.add(n.String(), fmt.Sprintf("table %s does not exist at the provider", n))
		case !p.isTable():
			d = c.add(n.String(), fmt.Sprintf("%s is no table at the provider", n))
		case s != nil && !s.isTable():
			d = c.add(n.String(), fmt.Sprintf("%s is no table at the subscriber", n))
		default:
			continue
		}
		d.Breaks, d.Absent, d.Table, d.Kind = true, true, n, Relation
		c.ignored[n] = true
	}
	for _, n := range c.prov.asked.sequences {
		if !c.prov.sequences[n] {
			d := c.add(n.String(), fmt.Sprintf("sequence %s does not exist at the provider", n))
			d.Breaks, d.Absent, d.Kind = true, true, Sequence
		}
	}
}

// partitions leaves out those that one end has where the other end's table is
// not partitioned, or by something else: its rows go in by their root.
func (c *comparer) partitions(of map[ident.Name]*Table) {
	for n, t := range of {
		for up := t; up.whole != nil && of[*up.whole] != nil; up = of[*up.whole] {
			p, s := c.prov.Tables[*up.whole], c.sub.Tables[*up.whole]
			if p != nil && s != nil && p.by != s.by && !slices.Contains(c.prov.asked.tables, n) {
				c.ignored[n] = true
			}
		}
	}
}

func (c *comparer) add(object, text string) *Difference {
	d := &Difference{Object: object, Text: text}
	c.list = append(c.list, d)
	return d
}

func (c *comparer) about(p *Part, text string) *Difference {
	object := p.Table
	if p.shared {
		object = p.full
	}
	name := object.String()
	if p.Kind == Schema {
		name = ident.Quote(p.Name)
	}
	if p.of != "" {
		name = p.of
	}
	d := c.add(name, text)
	d.Table, d.Kind, d.Name = p.Table, p.Kind, p.Name
	return d
}

func (c *comparer) concerns(p *Part) bool {
	return !c.ignored[p.Table] && !slices.Contains(c.opt.Own, p.calls) && (!c.opt.Base || p.base || c.isKey(p))
}

// isKey tells whether the part is what rows are told apart by.
func (c *comparer) isKey(p *Part) bool {
	key := c.key(p.Table)
	return p.unique && len(key) > 0 && sameSet(p.key, key)
}

func (c *comparer) key(n ident.Name) []string {
	if key := c.opt.Keys[n]; len(key) > 0 {
		return key
	}
	if t := c.prov.Tables[n]; t != nil && len(t.Keys) > 0 {
		return t.Keys[0].Columns
	}
	return nil
}

func (c *comparer) part(p *Part) {
	s := c.sub.byKey[p.id()]
	if s != nil {
		c.matched[s] = true
		c.facts(p, s)
		return
	}
	if s := c.namesake(p); s != nil {
		c.matched[s] = true
		d := c.about(p, fmt.Sprintf("%s is called %s at the subscriber", p.words, ident.Quote(s.plainName())))
		at := nameIndexes
		if p.Kind == Sequence {
			at = makeSequences
		}
		d.add(at, p.rename(s.plainName()))
		c.renamed[s.index] = p.index
		c.facts(p, s)
		return
	}
	c.missing(p)
}

// namesake finds the same under another name.
func (c *comparer) namesake(p *Part) *Part {
	if p.rename == nil {
		return nil
	}
	for _, s := range c.sub.parts {
		same := s.Kind == p.Kind && s.Table == p.Table && s.of == p.of && !c.matched[s] && c.prov.byKey[s.id()] == nil
		if p.Kind == Sequence {
			f, g := p.fact("owner column"), s.fact("owner column")
			if same && s.shared && f.value != "" && g.value == f.value && s.full.Schema == p.full.Schema {
				return s
			}
			continue
		}
		if same && canonical(s.fact("definition").value) == canonical(p.fact("definition").value) {
			return s
		}
	}
	return nil
}

// plainName is the name without what stands before it.
func (p *Part) plainName() string {
	if p.Kind == Sequence {
		return p.full.Name
	}
	if p.of == "" {
		return p.Name
	}
	return unquote(strings.TrimPrefix(p.Name, p.of+"."))
}

func unquote(s string) string {
	return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
}

// computed is how a column is generated, "" for a plain one.
func (p *Part) computed() string {
	for _, f := range p.facts {
		if f.none == "plain" {
			return f.value
		}
	}
	return ""
}

func (p *Part) ownerName() string {
	if f := p.fact("owner"); f != nil {
		return f.value
	}
	return ""
}

// remake drops the subscriber's part and makes the provider's. The indexes of
// partitions go with that of their parent.
func (c *comparer) remake(d *Difference, p, s *Part) {
	if !s.within {
		d.add(s.dropWhen, s.drop)
	}
	d.add(p.stage, p.make(c.sub)...)
	c.laterFacts(d, p, false)
	for _, q := range c.sub.parts {
		f := q.fact("parent index")
		if s.index == "" || f == nil || f.value != s.index {
			continue
		}
		if p := c.prov.byKey[q.id()]; p != nil {
			c.remake(d, p, q)
		}
	}
}

// goes tells whether an index of the subscriber is dropped, and those of the
// partitions with it.
func (c *comparer) goes(index string) bool {
	return slices.ContainsFunc(c.sub.parts, func(s *Part) bool {
		return s.index == index && !c.matched[s] && c.prov.byKey[s.id()] == nil &&
			!slices.ContainsFunc(c.prov.parts, func(p *Part) bool { return c.sub.byKey[p.id()] == nil && c.namesake(p) == s })
	})
}

// extra is about a part that only the subscriber has.
func (c *comparer) extra(s *Part) {
	t, prov := c.sub.Tables[s.Table], c.prov.Tables[s.Table]
	if s.within || s.drop == "" || s.Table != (ident.Name{}) && (t == nil || prov == nil) {
		return
	}
	d := c.about(s, s.words+" does not exist at the provider")
	d.add(s.dropWhen, s.drop)
	if s.Kind != Column {
		return
	}
	d.drops = true
	if col := t.column(s.Name); col.NotNull && !col.filled() {
		d.Breaks = true
		d.Text = fmt.Sprintf("column %s of table %s is NOT NULL without default at the subscriber and unknown to the provider", ident.Quote(s.Name), s.Table)
		d.Hint = fmt.Sprintf("alter table %s alter column %s drop not null, or give it a default, to keep it", s.Table, ident.Quote(s.Name))
	}
}

// refusal tells whether the server will not have a statement, whatever is
// tried again.
func refusal(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"42", "0A", "23", "22", "2B"}, pg.Code[:2])
}

// advice is what to do about a lack.
func (n *need) advice() string {
	switch {
	case n.extension != "":
		return "at the subscriber: create extension " + ident.Quote(n.extension)
	case n.kind == "role":
		return "at the subscriber: create role " + ident.Quote(n.name)
	case n.kind == "table":
		return "replicate that table first, or make it there"
	}
	return "make the " + n.kind + " there first"
}
