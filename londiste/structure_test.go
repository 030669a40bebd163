package londiste

import (
	"strings"
	"testing"
)

func table(key []string, columns ...column) *structure {
	s := &structure{kind: "r", columns: columns}
	if key != nil {
		s.keys = []tableKey{{index: "t_pkey", primary: true, columns: key}}
	}
	return s
}

func TestCompareStructure(t *testing.T) {
	id := column{name: "id", typ: "integer", notNull: true}
	item := column{name: "item", typ: "text"}
	base := table([]string{"id"}, id, item)
	tests := []struct {
		what      string
		prov, sub *structure
		key       []string
		want      string // part of the first text; "" is no difference
		breaks    bool
	}{
		{"equal", base, table([]string{"id"}, id, item), nil, "", false},
		{"order of columns", base, table([]string{"id"}, item, id), nil, "", false},
		{"extra column", base, table([]string{"id"}, id, item, column{name: "x", typ: "text"}), nil, "", false},
		{"no provider table", nil, base, nil, "does not exist at the provider", true},
		{"no subscriber table", base, nil, nil, "does not exist at the subscriber", true},
		{"view", base, &structure{kind: "v"}, nil, "is no table", true},
		{"no key there", table(nil, id, item), base, nil, "no primary key at the provider", true},
		{"no key here", base, table(nil, id, item), nil, "no primary key at the subscriber", true},
		{"another key", base, table([]string{"item"}, id, item), nil, "key of table", true},
		{"registered key", base, table([]string{"id"}, id, item), []string{"item"}, "key of table", true},
		{"missing column", base, table([]string{"id"}, id), nil, `column "item" of table public.t does not exist at the subscriber`, true},
		{"type", base, table([]string{"id"}, id, column{name: "item", typ: "bytea"}), nil, "is text at the provider, bytea at the subscriber", false},
		{"not null", base, table([]string{"id"}, id, column{name: "item", typ: "text", notNull: true}), nil, "may be null at the provider", false},
		{"generated", base, table([]string{"id"}, id, column{name: "item", typ: "text", generated: true}), nil, "generated at the subscriber", false},
		{"needs a value", base, table([]string{"id"}, id, item, column{name: "x", typ: "text", notNull: true}), nil, "NOT NULL without default", true},
		{"filled", base, table([]string{"id"}, id, item, column{name: "x", typ: "text", notNull: true, filled: true}), nil, "", false},
	}
	for _, tt := range tests {
		got := compareStructure(name("public", "t"), tt.prov, tt.sub, tt.key)
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%s: %v", tt.what, got)
		case tt.want == "":
		case len(got) != 1:
			t.Errorf("%s: %d differences: %v", tt.what, len(got), got)
		case !strings.Contains(got[0].Text, tt.want) || got[0].Breaks != tt.breaks:
			t.Errorf("%s: %+v", tt.what, got[0])
		}
	}
}

func TestKeyColumnsInAnyOrder(t *testing.T) {
	s := table([]string{"a", "b"})
	if !s.hasKey([]string{"b", "a"}) || s.hasKey([]string{"a"}) || s.hasKey([]string{"a", "b", "c"}) {
		t.Error("hasKey")
	}
}

func TestCompareSeq(t *testing.T) {
	a := seqShape{Type: "bigint", Start: 1, Increment: 1, Min: 1, Max: 9}
	b := a
	if d := compareSeq(name("public", "s"), a, true, b, true); len(d) > 0 {
		t.Errorf("equal: %v", d)
	}
	b.Increment, b.Cycle = -1, true
	if d := compareSeq(name("public", "s"), a, true, b, true); len(d) != 2 {
		t.Errorf("two differ: %v", d)
	}
	if d := compareSeq(name("public", "s"), a, true, b, false); len(d) != 1 || !d[0].Breaks {
		t.Errorf("missing: %v", d)
	}
}
