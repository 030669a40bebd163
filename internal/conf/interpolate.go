package conf

import (
	"fmt"
	"strings"
)

// maxDepth is how deep %(name)s may nest, as in Python: it ends loops.
const maxDepth = 10

// expand replaces %(name)s and %% in raw; get fetches other keys' raw values.
func expand(raw string, depth int, get func(key string) (entry, bool)) (string, error) {
	if depth > maxDepth {
		return "", fmt.Errorf("%%(name)s is nested deeper than %d, or refers to itself", maxDepth)
	}
	var b strings.Builder
	for {
		literal, name, rest, err := next(raw)
		b.WriteString(literal)
		if err != nil {
			return "", err
		}
		if name == "" {
			return b.String(), nil
		}
		v, ok := get(strings.ToLower(name))
		if !ok {
			return "", fmt.Errorf("%%(%s)s: there is no key %s", name, strings.ToLower(name))
		}
		text := v.raw
		if strings.Contains(text, "%") {
			if text, err = expand(text, depth+1, get); err != nil {
				return "", err
			}
		}
		b.WriteString(text)
		raw = rest
	}
}

// next reads raw up to its first %(name)s. name is "" at the end.
func next(raw string) (literal, name, rest string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(raw, '%')
		if i < 0 {
			b.WriteString(raw)
			return b.String(), "", "", nil
		}
		b.WriteString(raw[:i])
		raw = raw[i+1:]
		if after, ok := strings.CutPrefix(raw, "%"); ok {
			b.WriteByte('%')
			raw = after
			continue
		}
		after, ok := strings.CutPrefix(raw, "(")
		if !ok {
			return b.String(), "", "", fmt.Errorf("a %% must be followed by another %% or by (name)s")
		}
		name, after, ok = strings.Cut(after, ")")
		rest, isText := strings.CutPrefix(after, "s")
		if !ok || name == "" || !isText {
			return b.String(), "", "", fmt.Errorf("%%( is not closed by )s")
		}
		return b.String(), name, rest, nil
	}
}

// references lists the keys that raw names by %(name)s, lower-cased.
func references(raw string) []string {
	var names []string
	for {
		_, name, rest, err := next(raw)
		if err != nil || name == "" {
			return names
		}
		names = append(names, strings.ToLower(name))
		raw = rest
	}
}
