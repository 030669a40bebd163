package apply

import (
	"slices"

	"github.com/skytools-go/skytools/internal/ident"
)

// sortByReferences orders tables so that each comes after those its foreign
// keys point at. Within a cycle the order stays as it was: there deferred
// constraints, or the fallback in event order, must help.
func sortByReferences(tables []*table) []*table {
	if len(tables) < 2 {
		return tables
	}
	here := make(map[ident.Name]*table, len(tables))
	for _, t := range tables {
		here[t.target.Name] = t
	}
	sorted := make([]*table, 0, len(tables))
	seen := make(map[*table]bool, len(tables))
	var visit func(t *table)
	visit = func(t *table) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		for _, name := range t.target.References {
			visit(here[name])
		}
		sorted = append(sorted, t)
	}
	for _, t := range tables {
		visit(t)
	}
	return slices.Clip(sorted)
}
