package londiste

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skytools-go/skytools/internal/ident"
)

func name(schema, rel string) ident.Name { return ident.Name{Schema: schema, Name: rel} }

func TestPick(t *testing.T) {
	there := []ident.Name{
		name("public", "entry"), name("public", "entry_log"), name("public", "Entry"),
		name("my.schema", "a.b"), name("app", "entry"), name("public", "x*y"),
	}
	tests := []struct {
		names   []string
		all     bool
		want    []ident.Name
		unknown []string
		absent  []ident.Name
	}{
		{names: []string{"entry"}, want: []ident.Name{name("public", "entry")}},
		{names: []string{"Entry"}, want: []ident.Name{name("public", "Entry")}},
		{names: []string{"app.entry", "entry", "app.entry"}, want: []ident.Name{name("app", "entry"), name("public", "entry")}},
		{names: []string{"entr*"}, want: []ident.Name{name("public", "entry"), name("public", "entry_log")}},
		{names: []string{"*.entry"}, want: []ident.Name{name("app", "entry"), name("public", "entry")}},
		{names: []string{"?ntry"}, want: []ident.Name{name("public", "Entry"), name("public", "entry")}},
		{names: []string{`"my.schema"."a.b"`}, want: []ident.Name{name("my.schema", "a.b")}},
		{names: []string{`"my.schema".*`}, want: []ident.Name{name("my.schema", "a.b")}},
		{names: []string{`"x*y"`}, want: []ident.Name{name("public", "x*y")}},
		{names: []string{`"entr*"`}, absent: []ident.Name{name("public", "entr*")}},
		{names: []string{"nosuch", "z*"}, absent: []ident.Name{name("public", "nosuch")}, unknown: []string{"z*"}},
		{names: []string{"entry"}, all: true, want: []ident.Name{name("public", "entry")}},
		{},
		{all: true, want: []ident.Name{
			name("app", "entry"), name("my.schema", "a.b"), name("public", "Entry"),
			name("public", "entry"), name("public", "entry_log"), name("public", "x*y"),
		}},
	}
	for _, tt := range tests {
		got, err := Selection{Names: tt.names, All: tt.all}.pick(there)
		if err != nil {
			t.Errorf("%v: %v", tt.names, err)
			continue
		}
		if d := cmp.Diff(tt.want, got.names) + cmp.Diff(tt.unknown, got.unknown) + cmp.Diff(tt.absent, got.absent); d != "" {
			t.Errorf("%v all=%v:\n%s", tt.names, tt.all, d)
		}
	}
}

func TestPickTellsGlobsFromNames(t *testing.T) {
	there := []ident.Name{name("public", "a"), name("public", "b")}
	got, err := Selection{Names: []string{"*", "b"}}.pick(there)
	if err != nil {
		t.Fatal(err)
	}
	if !got.byGlob[name("public", "a")] || got.byGlob[name("public", "b")] {
		t.Errorf("by glob: %v", got.byGlob)
	}
}

func TestBadNames(t *testing.T) {
	for _, text := range []string{"", ".", "a.", ".a", "a.b.c", `"a`, `"a"b`, `""`, `a."`} {
		if g, err := parseGlob(text); err == nil {
			t.Errorf("%q was read as %+v", text, g)
		}
	}
}

// A glob made from a name by replacing letters still matches the name.
func TestWildMatchesWhatItWasMadeFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := []rune(rapid.StringMatching(`[a-d_]{1,12}`).Draw(t, "name"))
		var pattern []rune
		for i := 0; i < len(s); i++ {
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				pattern = append(pattern, '?')
			case 1:
				pattern = append(pattern, '*')
				i += rapid.IntRange(-1, 2).Draw(t, "length")
			default:
				pattern = append(pattern, s[i])
			}
		}
		if !matchWild(pattern, s) {
			t.Fatalf("%s does not match %s", string(pattern), string(s))
		}
		if !containsStar(pattern) && matchWild(pattern, append(s, 'x')) {
			t.Fatalf("%s matches %sx", string(pattern), string(s))
		}
	})
}

func containsStar(pattern []rune) bool {
	for _, r := range pattern {
		if r == '*' {
			return true
		}
	}
	return false
}
