package structure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// judgeKey says where rows cannot be told apart at the subscriber: in place of
// what was found of the constraint or index that is missing there.
func (c *comparer) judgeKey(n ident.Name) {
	prov, sub := c.prov.Tables[n], c.sub.Tables[n]
	if prov == nil || !prov.isTable() {
		return
	}
	if told, known := c.opt.Keys[n]; known && len(told) == 0 {
		return // by all columns
	}
	key := c.key(n)
	if len(key) == 0 {
		c.table(n, fmt.Sprintf("table %s has no primary key at the provider", n))
		return
	}
	if sub == nil || !sub.isTable() || sub.HasKey(key) {
		return
	}
	text := fmt.Sprintf("table %s has no primary key at the subscriber", n)
	if len(sub.Keys) > 0 {
		text = fmt.Sprintf("key of table %s differs: (%s) at the provider, (%s) at the subscriber",
			n, strings.Join(key, ", "), strings.Join(sub.Keys[0].Columns, ", "))
	}
	i := slices.IndexFunc(c.list, func(d *Difference) bool {
		p := c.prov.byKey[(&Part{Kind: d.Kind, Table: d.Table, Name: d.Name}).id()]
		return d.Table == n && p != nil && c.isKey(p) && len(d.steps) > 0
	})
	if i < 0 {
		d := c.table(n, text)
		d.Hint = fmt.Sprintf("make a unique index on NOT NULL columns (%s) at the subscriber", quotedList(key))
		return
	}
	c.list[i].Text, c.list[i].Breaks = text, true
}

// table adds what breaks the replication of a table.
func (c *comparer) table(n ident.Name, text string) *Difference {
	d := c.add(n.String(), text)
	d.Table, d.Kind, d.Name, d.Breaks = n, Relation, n.SQL(), true
	return d
}

func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident.Quote(n)
	}
	return strings.Join(quoted, ", ")
}
