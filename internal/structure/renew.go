package structure

import (
	"slices"
	"strings"
)

// computedAnew tells whether the column has to be dropped and made again: only
// so does a plain one become computed, or one computed otherwise before 17.
func (c *comparer) computedAnew(p, s *Part) bool {
	is, was := p.computed(), s.computed()
	if c.sub.Version < 18 {
		is = stored(is)
	}
	retyped := p.facts[0].value != s.facts[0].value
	switch {
	case p.within || is == was && !retyped || c.sub.lacks(p.needs) != nil:
		return false
	case is == "":
		return strings.HasSuffix(was, "virtual") || was != "" && retyped
	case c.sub.Version >= 17 && was != "" && !retyped && strings.HasSuffix(is, "stored") == strings.HasSuffix(was, "stored"):
		return false
	}
	return is != "" && (is != was || retyped)
}

// stored is a computation as versions without virtual columns have it.
func stored(computed string) string {
	if before, ok := strings.CutSuffix(computed, " virtual"); ok {
		return before + " stored"
	}
	return computed
}

// columnAnew replaces a column whose values the server computes, with all
// that hangs on it.
func (c *comparer) columnAnew(d *Difference, p, s *Part) {
	c.free(d, s, true)
	d.add(dropComputed, s.drop)
	d.add(makeColumns, p.make(c.sub)...)
	c.laterFacts(d, p, false)
}

// free takes away what stands in the way of a column's change and brings back
// the provider's.
func (c *comparer) free(d *Difference, s *Part, all bool) {
	for _, q := range c.sub.parts {
		if q.Table != s.Table || !slices.Contains(q.uses, s.Name) || q.within {
			continue
		}
		p := c.prov.byKey[q.id()]
		switch {
		case q.Kind == Column && p != nil && p.computed() != "":
			c.columnAnew(d, p, q)
		case q.Kind == Column:
			d.add(dropComputed, q.drop)
			if p != nil {
				d.add(makeColumns, p.make(c.sub)...)
				c.laterFacts(d, p, false)
			}
		case !all && !q.expressions:
		case p == nil:
			d.add(q.dropWhen, q.drop)
		case c.sub.lacks(p.needs) == nil && p.since <= c.sub.Version:
			c.remake(d, p, q)
		}
	}
}

// retype is what comes with a column's new type.
func (c *comparer) retype(d *Difference, p, s *Part) {
	c.free(d, s, false)
	if was := s.fact("default"); was.value != "" { // which would have to be cast by itself
		d.add(dropComputed, was.set("", "")...)
		if def := p.fact("default"); def.value != "" && c.sub.lacks(def.needs) == nil {
			d.add(changeColumns, def.set("", def.value)...)
		}
	}
}

// unlikeParent is about a column that comes with a parent's, and then is made
// what the provider's is: an heir may have another default, or allow null.
func (c *comparer) unlikeParent(p *Part) {
	d := &Difference{}
	c.laterFacts(d, p, false)
	for _, n := range p.parents {
		parent := c.prov.byKey[(&Part{Kind: Column, Table: n, Name: p.Name}).id()]
		if parent == nil {
			continue
		}
		for i := range p.facts {
			f := &p.facts[i]
			was := parent.twin(f)
			if f.later || was == nil || was.value == f.value || f.set == nil || c.sub.lacks(f.needs) != nil || f.since > c.sub.Version {
				continue
			}
			d.add(max(f.stage, changeColumns), f.set(was.value, f.value)...)
		}
		break
	}
	if len(d.steps) > 0 {
		told := c.about(p, p.words+" does not exist at the subscriber")
		told.Missing, told.steps = true, d.steps
	}
}
