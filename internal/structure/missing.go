package structure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// missing is about a part that is to be made.
func (c *comparer) missing(p *Part) {
	if c.inherited(p) {
		c.unlikeParent(p)
		return
	}
	from := len(c.list)
	defer func() {
		for _, d := range c.list[from:] {
			d.Missing = true
		}
	}()
	whole := c.absent[p.Table] // the table it goes with, where that is missing too
	if p.since > c.sub.Version {
		c.about(p, fmt.Sprintf("%s cannot be made at the subscriber: PostgreSQL %d has no such thing", p.words, c.sub.Version))
		return
	}
	if lack := c.sub.lacks(p.needs); lack != nil {
		d := c.about(p, fmt.Sprintf("%s cannot be made at the subscriber: %s does not exist there", p.words, lack))
		d.Breaks, d.Hint = p.base && p.stage != makeChecks && p.of == "", lack.advice()
		if whole != nil && d.Breaks {
			whole.blocked = true
		}
		return
	}
	if p.Kind == Column && c.lackingExpression(p) {
		if whole != nil {
			whole.blocked = true
		}
		return
	}
	d := whole
	switch {
	case d != nil:
	case p.Kind == Sequence && !p.shared: // it comes with its column
		d = &Difference{}
		c.laterFacts(d, p, false)
		if len(d.steps) == 0 {
			return
		}
		fallthrough
	default:
		d = c.about(p, p.words+" does not exist at the subscriber")
		c.rate(d, p)
	}
	told := whole != nil && (p.Kind == Column || p.inline) || p.Kind == Column && p.within && c.attached(p)
	if !told {
		d.add(p.stage, p.make(c.sub)...)
	}
	if t := c.sub.Tables[p.owner]; t != nil && t.Owner != c.sub.Role { // only its own sequences can go with a table
		d.add(p.stage, "alter "+p.address+" owner to "+ident.Quote(t.Owner))
	}
	c.laterFacts(d, p, true)
}

// rate says what it means that a part is missing.
func (c *comparer) rate(d *Difference, p *Part) {
	switch p.Kind {
	case Relation:
		c.absent[p.Table] = d
		// A partition's rows have another one there, or none: that is told by
		// the statement that writes them.
		d.Breaks = slices.Contains(c.prov.asked.tables, p.Table) || c.prov.Tables[p.Table].whole == nil
		d.Absent = true
	case Sequence:
		d.Absent = slices.Contains(c.prov.asked.sequences, p.full) && !c.sub.sequences[p.full]
		d.Breaks = d.Absent
	case Column:
		// Nobody sends the values of a virtual one.
		d.Breaks = !strings.HasSuffix(p.computed(), "virtual")
	}
}

// lackingExpression tells whether the expression of a generated column cannot
// be had at the subscriber. There is no column without it.
func (c *comparer) lackingExpression(p *Part) bool {
	if p.computed() == "" {
		return false
	}
	for _, f := range p.facts {
		if lack := c.sub.lacks(f.needs); lack != nil && f.none == "plain" {
			d := c.about(p, fmt.Sprintf("%s cannot be made at the subscriber: %s does not exist there", p.words, lack))
			d.Breaks, d.Hint = true, lack.advice()
			return true
		}
	}
	return false
}

// attached tells whether the subscriber's table has the parents of the
// provider's already: what is changed there reaches it.
func (c *comparer) attached(p *Part) bool {
	id := (&Part{Kind: Relation, Table: p.Table, Name: p.Table.SQL()}).id()
	prov, sub := c.prov.byKey[id], c.sub.byKey[id]
	if prov == nil || sub == nil {
		return false
	}
	for _, name := range []string{"place", "list of parents"} {
		f, g := prov.fact(name), sub.fact(name)
		if (f == nil) != (g == nil) || f != nil && f.value != g.value {
			return false
		}
	}
	return true
}

// inherited tells whether a column's difference is that of a parent, which is
// told there.
func (c *comparer) inherited(p *Part) bool {
	return p.Kind == Column && p.within && c.attached(p) && slices.ContainsFunc(p.parents, func(n ident.Name) bool {
		t := c.prov.Tables[n]
		return t != nil && t.column(p.Name) != nil && c.sub.Tables[n] != nil
	})
}

// laterFacts gives a part that is being made what its make statement does not
// tell.
func (c *comparer) laterFacts(d *Difference, p *Part, report bool) {
	for _, f := range p.facts {
		if f.value == f.initial || f.full && c.opt.Base || f.owner && f.value == c.sub.Role {
			continue
		}
		if f.since > c.sub.Version {
			if !f.quiet && report {
				c.about(p, fmt.Sprintf("%s: PostgreSQL %d has no such thing", f.at(p, "the provider"), c.sub.Version))
			}
			continue
		}
		if lack := c.sub.lacks(f.needs); lack != nil {
			if report {
				c.about(p, fmt.Sprintf("%s: %s does not exist at the subscriber", f.at(p, "the provider"), lack)).Hint = lack.advice()
			}
			continue
		}
		if f.later && f.set != nil {
			d.add(f.stage, f.set("", f.value)...)
		}
	}
	if strings.HasSuffix(p.computed(), "virtual") && c.sub.Version < 18 && report {
		c.about(p, fmt.Sprintf("%s is virtual at the provider; PostgreSQL %d has to store it", p.words, c.sub.Version))
	}
}
