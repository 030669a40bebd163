package structure

import "strings"

// canonical is a definition in the form in which it comes out of a server
// that was given it. PostgreSQL writes varchar_column in ('a', 'b') as
//
//	((c)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))
//
// and, having read that, as
//
//	((c)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))
//
// which from then on stays what it is.
func canonical(def string) string {
	const open = "(ARRAY["
	var b strings.Builder
	for {
		at := strings.Index(def, open)
		if at < 0 {
			b.WriteString(def)
			return b.String()
		}
		b.WriteString(def[:at])
		elements, rest := elements(def[at+len(open):])
		after, cast := strings.CutPrefix(rest, ")::")
		end := strings.Index(after, "[]")
		if !cast || end < 0 || strings.ContainsAny(after[:end], "(),") {
			b.WriteString(open)
			def = def[at+len(open):]
			continue
		}
		for i, e := range elements {
			elements[i] = "(" + e + ")::" + after[:end]
		}
		b.WriteString("ARRAY[" + strings.Join(elements, ", ") + "]")
		def = after[end+len("[]"):]
	}
}

// elements splits what follows ARRAY[ at its commas; rest is what follows the
// closing bracket.
func elements(s string) (list []string, rest string) {
	depth, from, quote := 0, 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(' || c == '[':
			depth++
		case depth == 0 && c == ']':
			return append(list, s[from:i]), s[i+1:]
		case c == ')' || c == ']':
			depth--
		case depth == 0 && c == ',':
			list = append(list, s[from:i])
			from = i + len(", ")
		}
	}
	return nil, s
}
