// Package ident holds names of database objects: a relation is a pair of
// schema and name, never one string. Text forms quote each part that is not a
// plain lower-case name: public.entry, "my.schema"."Entry".
package ident

import (
	"fmt"
	"strings"
)

// Name is a relation's schema and name.
type Name struct{ Schema, Name string }

// Parse reads a name in text form. Without a schema it is public's, as in
// Skytools. Unquoted letters are taken as they stand: a name is never folded.
func Parse(s string) (Name, error) {
	parts, err := split(s)
	if err != nil {
		return Name{}, err
	}
	switch len(parts) {
	case 1:
		return Name{"public", parts[0]}, nil
	case 2:
		return Name{parts[0], parts[1]}, nil
	}
	return Name{}, fmt.Errorf("name %s has %d parts, want schema.name", s, len(parts))
}

func split(s string) ([]string, error) {
	var parts []string
	rest := s
	for {
		var part string
		if strings.HasPrefix(rest, `"`) {
			var b strings.Builder
			i := 1
			for {
				j := strings.IndexByte(rest[i:], '"')
				if j < 0 {
					return nil, fmt.Errorf("name %s: quote is not closed", s)
				}
				b.WriteString(rest[i : i+j])
				i += j + 1
				if !strings.HasPrefix(rest[i:], `"`) {
					break
				}
				b.WriteByte('"')
				i++
			}
			part, rest = b.String(), rest[i:]
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("name %s: %q follows a closing quote", s, rest)
			}
		} else {
			n := strings.IndexByte(rest, '.')
			if n < 0 {
				n = len(rest)
			}
			part, rest = rest[:n], rest[n:]
		}
		if part == "" {
			return nil, fmt.Errorf("name %q has an empty part", s)
		}
		parts = append(parts, part)
		if rest == "" {
			return parts, nil
		}
		rest = rest[1:]
	}
}

// String is the text form, as kept in registration tables and printed.
func (n Name) String() string { return display(n.Schema) + "." + display(n.Name) }

// SQL is the name ready for a statement, both parts always quoted.
func (n Name) SQL() string { return Quote(n.Schema) + "." + Quote(n.Name) }

// Quote quotes one identifier for a statement.
func Quote(part string) string { return `"` + strings.ReplaceAll(part, `"`, `""`) + `"` }

// Literal quotes a string constant for a statement, for where a parameter
// cannot stand.
func Literal(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

func display(part string) string {
	for i, r := range part {
		plain := r == '_' || r >= 'a' && r <= 'z' || i > 0 && (r >= '0' && r <= '9' || r == '$')
		if !plain {
			return Quote(part)
		}
	}
	return part
}

// MarshalText is String, for JSON.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
