package londiste

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Selection names tables or sequences as a command line does: by name, by
// glob, or all there are.
//
// `*` and `?` stand for any characters and for one, within a part: a dot is
// never matched by them. A quoted part is taken to the letter. What has no
// schema means public's.
type Selection struct {
	Names []string
	All   bool // without Names: everything
}

// glob is one name of a selection, taken apart.
type glob struct {
	text         string
	schema, name globPart
}

type globPart struct {
	text   string
	quoted bool
}

func parseGlob(text string) (glob, error) {
	g := glob{text: text}
	var parts []globPart
	for rest, more := text, true; more; {
		var part globPart
		var err error
		if part, rest, more, err = cutPart(rest); err != nil {
			return g, fmt.Errorf("name %q: %w", text, err)
		}
		parts = append(parts, part)
	}
	switch len(parts) {
	case 1:
		g.schema, g.name = globPart{text: "public", quoted: true}, parts[0]
	case 2:
		g.schema, g.name = parts[0], parts[1]
	default:
		return g, fmt.Errorf("name %q has %d parts, want schema.name", text, len(parts))
	}
	return g, nil
}

// cutPart takes the first part off s; more tells whether a dot followed it.
func cutPart(s string) (part globPart, rest string, more bool, err error) {
	if !strings.HasPrefix(s, `"`) {
		part.text, rest, more = strings.Cut(s, ".")
		if part.text == "" {
			err = fmt.Errorf("a part is empty")
		}
		return part, rest, more, err
	}
	end := 1
	for {
		n := strings.IndexByte(s[end:], '"')
		if n < 0 {
			return part, "", false, fmt.Errorf("a quote is not closed")
		}
		end += n + 1
		if !strings.HasPrefix(s[end:], `"`) {
			break
		}
		end++
	}
	part = globPart{strings.ReplaceAll(s[1:end-1], `""`, `"`), true}
	rest = s[end:]
	switch {
	case part.text == "":
		err = fmt.Errorf("a part is empty")
	case rest == "":
	case rest[0] == '.':
		return part, rest[1:], true, nil
	default:
		err = fmt.Errorf("%q follows a closing quote", rest)
	}
	return part, "", false, err
}

func (p globPart) wild() bool { return !p.quoted && strings.ContainsAny(p.text, "*?") }

// wild tells whether the name may mean several relations, or none.
func (g glob) wild() bool { return g.schema.wild() || g.name.wild() }

// exact is the one name that a glob without wildcards means.
func (g glob) exact() ident.Name { return ident.Name{Schema: g.schema.text, Name: g.name.text} }

func (g glob) match(n ident.Name) bool { return g.schema.match(n.Schema) && g.name.match(n.Name) }

func (p globPart) match(s string) bool {
	if !p.wild() {
		return p.text == s
	}
	return matchWild([]rune(p.text), []rune(s))
}

// matchWild goes back to the last star only, so its time is bounded by the
// product of the lengths.
func matchWild(pattern, s []rune) bool {
	star, mark := -1, 0
	i := 0
	for j := 0; j < len(s); {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

// picked is what a selection means among candidates.
type picked struct {
	names   []ident.Name // in the order of the command line, each once; a glob's by name
	byGlob  map[ident.Name]bool
	unknown []string     // globs that match nothing, as typed
	absent  []ident.Name // plain names that are no candidates
}

// pick applies the selection to candidates. All with names given means the
// names.
func (s Selection) pick(candidates []ident.Name) (picked, error) {
	p := picked{byGlob: map[ident.Name]bool{}}
	sorted := slices.SortedFunc(slices.Values(candidates), compareNames)
	take := func(n ident.Name) {
		if !slices.Contains(p.names, n) {
			p.names = append(p.names, n)
		}
	}
	if len(s.Names) == 0 && s.All {
		p.names = sorted
		for _, n := range sorted {
			p.byGlob[n] = true
		}
		return p, nil
	}
	for _, text := range s.Names {
		g, err := parseGlob(text)
		if err != nil {
			return p, err
		}
		if !g.wild() {
			if n := g.exact(); slices.Contains(candidates, n) {
				take(n)
				delete(p.byGlob, n)
			} else {
				p.absent = append(p.absent, n)
			}
			continue
		}
		found := false
		for _, n := range sorted {
			if !g.match(n) {
				continue
			}
			found = true
			if !slices.Contains(p.names, n) {
				p.byGlob[n] = true
			}
			take(n)
		}
		if !found {
			p.unknown = append(p.unknown, text)
		}
	}
	return p, nil
}

// Tables are the tables of a database that the selection means, of the
// partitions those that are named plainly. So is a plain name that is no table
// there; a glob that matches nothing is an error.
func (s Selection) Tables(ctx context.Context, conn *pgx.Conn) ([]ident.Name, error) {
	all, partition, err := (&session{conn: conn}).candidates(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.pick(all)
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(p.names, func(n ident.Name) bool { return p.byGlob[n] && partition[n] })
	names, p.absent = append(names, p.absent...), nil
	return names, p.complete("table", "provider")
}

// empty tells that nothing was asked for.
func (s Selection) empty() bool { return len(s.Names) == 0 && !s.All }

func compareNames(a, b ident.Name) int {
	if c := strings.Compare(a.Schema, b.Schema); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// joinNames lists names for a message.
func joinNames(names []ident.Name) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.String()
	}
	return strings.Join(texts, ", ")
}
