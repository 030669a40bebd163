package apply

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/skytools-go/skytools/internal/ident"
	"pgregory.net/rapid"
)

// world is the model: rows of tables by key.
type world map[string]map[string]string

func (w world) clone() world {
	c := world{}
	for name, rows := range w {
		c[name] = maps.Clone(rows)
	}
	return c
}

// change is one event of the model.
type change struct {
	op         op
	table, key string
	value      string
}

// step does the event; tells whether it was true of the world before it.
func (w world) step(c change) {
	rows := w[c.table]
	switch c.op {
	case opTruncate:
		clear(rows)
	case opDelete:
		delete(rows, c.key)
	default:
		rows[c.key] = c.value
	}
}

// drawTrue draws an event that a provider in this state could have written.
func (w world) drawTrue(t *rapid.T) change {
	c := change{table: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "table")}
	c.key = fmt.Sprint(rapid.IntRange(-1, 6).Draw(t, "key"))
	c.value = fmt.Sprint(rapid.IntRange(0, 999).Draw(t, "value"))
	_, there := w[c.table][c.key]
	switch n := rapid.IntRange(0, 20).Draw(t, "op"); {
	case n == 0:
		c.op = opTruncate
	case !there:
		c.op = opInsert
	case n < 8:
		c.op = opDelete
	default:
		c.op = opUpdate
	}
	return c
}

func (c change) event(id int64) Event {
	name := map[op]string{opInsert: "INSERT", opUpdate: "UPDATE", opDelete: "DELETE", opTruncate: "TRUNCATE"}[c.op]
	return Event{
		ID:   id,
		Type: fmt.Appendf(nil, `{"op":%q,"table":["public",%q],"pkey":["id"]}`, name, c.table),
		Data: fmt.Appendf(nil, `{"id":%s,"v":%q}`, c.key, c.value),
	}
}

func modelTarget(name string, class keyClass) *Target {
	t := fakeTarget("id", "v")
	t.Name = ident.Name{Schema: "public", Name: name}
	t.Keys = []Key{{Columns: []int{0}, Primary: true, equals: []string{"="}, classes: []keyClass{class}}}
	return t
}

// applySet does to the world what a flush of the set would, and checks what
// the groups say about the world before.
func applySet(t *rapid.T, w world, s *set) {
	before := w.clone()
	for _, tab := range s.truncated() {
		clear(w[tab.name.Name])
		clear(before[tab.name.Name])
	}
	for _, g := range s.net() {
		name := g.table.name.Name
		key := func(n int32) string {
			v, _ := s.value(&s.rows[n], 0)
			return string(v)
		}
		told := func(rows []int32, want bool, what string) {
			for _, n := range rows {
				if _, there := before[name][key(n)]; there != want {
					t.Fatalf("%s: key %s of %s is there: %v", what, key(n), name, there)
				}
			}
		}
		told(g.gone, true, "gone")
		told(g.never, false, "never")
		told(g.fresh, false, "fresh")
		told(g.known, true, "known")
		for _, n := range slices.Concat(g.gone, g.never) {
			delete(w[name], key(n))
		}
		for _, n := range append(slices.Concat(g.fresh, g.known), g.ordered...) {
			if r := &s.rows[n]; r.op == opDelete {
				delete(w[name], key(n))
			} else {
				v, _ := s.value(r, 1)
				w[name][key(n)] = string(v)
			}
		}
	}
}

// putOff makes the set one that the server would not have yet.
func (a *Applier) putOff() {
	f := &flight{set: a.set, landed: make(chan struct{}), putOff: true}
	close(f.landed)
	a.flight, a.set, a.spare = f, a.spare, nil
}

// TestCoalesce: a batch collapsed to sets, cut into flushes anywhere and some
// of these put off, does what its events do one by one.
func TestCoalesce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]keyClass{keyInteger, keyExact, keyNumeric, keyOpaque}).Draw(t, "class")
		tables := registry{}
		for _, name := range []string{"a", "b"} {
			tables[ident.Name{Schema: "public", Name: name}] = modelTarget(name, class)
		}
		a := New(tables, Options{MaxRows: 64})
		a.number = 1
		provider := world{"a": {"1": "x", "2": "y"}, "b": {"3": "z"}}
		subscriber := provider.clone()
		taken := int64(0)
		land := func() {
			if err := a.land(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		flush := func() {
			land()
			for _, tab := range a.set.tables {
				taken -= a.set.in(tab).events
			}
			if taken != 0 {
				t.Fatalf("%d events more than were counted", taken)
			}
			applySet(t, subscriber, a.set)
			a.set.reset(0)
		}
		for id := range int64(rapid.IntRange(0, 60).Draw(t, "events")) {
			c := provider.drawTrue(t)
			provider.step(c)
			if err := a.Event(t.Context(), c.event(id)); err != nil {
				t.Fatal(err)
			}
			taken++
			switch cut := rapid.IntRange(0, 20).Draw(t, "cut"); {
			case cut == 0:
				flush()
			case cut < 3 && a.flight == nil:
				a.putOff()
			case cut == 3:
				land()
			}
		}
		flush()
		if fmt.Sprint(provider) != fmt.Sprint(subscriber) {
			t.Fatalf("provider %v\nsubscriber %v", provider, subscriber)
		}
		a.set.reset(0)
		if slices.ContainsFunc(a.set.slots, func(n int32) bool { return n != 0 }) {
			t.Fatal("a reset set remembers keys")
		}
	})
}

func TestSortByReferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "tables")
		tables := make([]*table, n)
		for i := range tables {
			name := ident.Name{Name: fmt.Sprint(i)}
			tables[i] = &table{name: ident.Name{Name: "provider's"}, target: &Target{Name: name}}
			for j := range i { // acyclic: only to those before
				if rapid.Bool().Draw(t, "ref") {
					tables[i].target.References = append(tables[i].target.References, ident.Name{Name: fmt.Sprint(j)})
				}
			}
		}
		sorted := sortByReferences(rapid.Permutation(tables).Draw(t, "order"))
		if len(sorted) != n {
			t.Fatalf("%d of %d", len(sorted), n)
		}
		for i, tab := range sorted {
			for _, later := range sorted[i+1:] {
				if slices.Contains(tab.target.References, later.target.Name) {
					t.Fatalf("%v before %v", tab.target.Name, later.target.Name)
				}
			}
		}
		tables[0].target.References = append(tables[0].target.References, tables[n-1].target.Name) // a cycle ends
		if got := len(sortByReferences(tables)); got != n {
			t.Fatalf("%d of %d", got, n)
		}
	})
}
