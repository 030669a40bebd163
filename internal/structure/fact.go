package structure

import "fmt"

// at says what a fact is.
func (f *fact) at(p *Part, end string) string {
	if f.name == "" {
		return fmt.Sprintf("%s is %s at %s", p.words, f.text(f.value), end)
	}
	return fmt.Sprintf("%s of %s is %s at %s", f.name, p.words, f.text(f.value), end)
}

func (f *fact) text(value string) string {
	if value == "" {
		return orElse(f.none, "none")
	}
	return value
}

// facts compares a part that is at both ends.
func (c *comparer) facts(p, s *Part) {
	if p.Kind == Column && c.computedAnew(p, s) {
		d := c.about(p, fmt.Sprintf("%s is %s %s at the provider, %s %s at the subscriber", p.words,
			p.facts[0].value, orElse(p.computed(), "plain"), s.facts[0].value, orElse(s.computed(), "plain")))
		c.columnAnew(d, p, s)
		return
	}
	for i := range p.facts {
		f := &p.facts[i]
		old := ""
		if o := s.twin(f); o != nil {
			old = o.value
		}
		c.fact(p, s, f, old)
	}
	for i := range s.facts {
		if f := &s.facts[i]; p.twin(f) == nil {
			bare := *f
			bare.value, bare.needs = "", nil
			c.fact(p, s, &bare, f.value)
		}
	}
}

// twin is the fact of the same name; those without are told apart by what
// they are not.
func (p *Part) twin(f *fact) *fact {
	for i := range p.facts {
		if p.facts[i].name == f.name && (f.name != "" || p.facts[i].none == f.none) {
			return &p.facts[i]
		}
	}
	return nil
}

func (c *comparer) fact(p, s *Part, f *fact, old string) {
	if name := c.renamed[old]; f.name == "parent index" && name != "" {
		old = name
	}
	value := f.value
	if f.none == "plain" && c.sub.Version < 18 { // virtual is stored there
		value = stored(value)
	}
	switch {
	case canonical(value) == canonical(old), f.full && c.opt.Base, f.since > c.prov.Version:
		return
	case f.since > c.sub.Version && (f.quiet || value == ""):
		return
	case f.within != nil && f.within(old, value):
		return
	case f.owner && c.sub.lacks(f.needs) != nil:
		return
	case f.role != "" && (f.role == p.ownerName() || f.role == s.ownerName()):
		return
	}
	ofParent := p.Kind == Column && p.within && f.stage == changeColumns && f.name == "" && f.none != "nullable"
	if ofParent && c.inherited(p) {
		return
	}
	text := fmt.Sprintf("%s is %s at the provider, %s at the subscriber", f.subject(p), f.text(value), f.text(old))
	d := c.about(p, text)
	d.Decorates, d.Fact = f.full, f.name
	if f.since > c.sub.Version {
		d.Text += fmt.Sprintf("; PostgreSQL %d has no such thing", c.sub.Version)
		return
	}
	if lack := c.sub.lacks(f.needs); lack != nil {
		d.Text += "; " + lack.String() + " does not exist there"
		d.Hint = lack.advice()
		return
	}
	if ofParent {
		return
	}
	statements := []string(nil)
	if f.set != nil {
		statements = f.set(old, value)
	}
	if statements == nil && (f.remake || f.name == "parent index" && c.goes(old)) {
		c.remake(d, p, s)
		return
	}
	if p.Kind == Column && f == &p.facts[0] && statements != nil && !c.castable(p) {
		statements = []string{p.retyped("::text")}
	}
	d.add(f.when(value), statements...)
	if p.Kind == Column && f == &p.facts[0] && statements != nil {
		c.retype(d, p, s)
	}
}

func (c *comparer) castable(p *Part) bool {
	from, to := c.sub.Tables[p.Table].column(p.Name).Type, c.prov.Tables[p.Table].column(p.Name).Type
	return from == to || c.sub.casts[[2]string{from, to}]
}

func (f *fact) subject(p *Part) string {
	if f.name == "" {
		return p.words
	}
	return f.name + " of " + p.words
}

// when is the stage of a change: a default and an identity are taken away
// before the sequences behind them.
func (f *fact) when(value string) stage {
	if value == "" && (f.name == "default" || f.name == "identity") {
		return dropComputed
	}
	return f.stage
}
