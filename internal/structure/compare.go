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
		p := c.prov.byKey[(&Part{Kind: Sequence, Name: n.SQL()}).id()]
		if p == nil {
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
		d.Absent = slices.Contains(c.prov.asked.sequences, p.full)
		d.Breaks = d.Absent
	case Column:
		// Nobody sends the values of a virtual one.
		d.Breaks = !strings.HasSuffix(p.computed(), "virtual")
	}
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
