package conf

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/hint"
)

// Key documents one key of a program's section.
type Key struct {
	Name    string // lower case; in [Skytools] a pattern with *
	Default string // as it would stand in the file; "" for none
	Unit    string // seconds, bytes …; "" for plain text
	Doc     string // one or more sentences
	Sample  string // the value that a sample file sets; "" leaves the key commented out
	// ReplacedBy says what does the work of a key that is accepted and has
	// no effect.
	ReplacedBy string
}

// Unknown returns an error naming each key of the section, and of DEFAULT,
// that is neither in known nor any Skytools program's nor used by %(name)s.
func (s *Section) Unknown(known []Key) error {
	used := s.referenced()
	var names []string
	for _, k := range known {
		names = append(names, k.Name)
	}
	var errs []error
	for _, u := range s.fromFile() {
		if Find(known, u.key) != nil || Find(Skytools, u.key) != nil || used[u.key] {
			continue
		}
		err := s.file.at(u.line, "unknown key %s in section [%s]", u.key, u.section)
		if near := hint.Nearest(u.key, names); near != "" {
			// Several hints cannot stand beside one joined error.
			err = fmt.Errorf("%w (did you mean %s?)", err, near)
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return hint.With(errors.Join(errs...), "--ini prints all keys")
}

// Ignored returns a line for each key of the section that is accepted and has
// no effect: where it stands and what replaces it.
func (s *Section) Ignored(known []Key) []string {
	used := s.referenced()
	var lines []string
	for _, u := range s.fromFile() {
		k := Find(known, u.key)
		if k == nil && !used[u.key] {
			k = Find(Skytools, u.key)
		}
		if k != nil && k.ReplacedBy != "" {
			lines = append(lines, fmt.Sprintf("%s:%d: key %s has no effect: %s", s.file.Path, u.line, u.key, k.ReplacedBy))
		}
	}
	return lines
}

// place is a key where the file sets it.
type place struct {
	section, key string
	line         int
}

// fromFile lists the keys that the file sets for the section, in file order.
func (s *Section) fromFile() []place {
	var all []place
	for key, e := range s.own {
		all = append(all, place{s.Name, key, e.line})
	}
	for key, e := range s.file.defaults {
		all = append(all, place{"DEFAULT", key, e.line})
	}
	slices.SortFunc(all, func(a, b place) int { return a.line - b.line })
	return all
}

// referenced holds the keys that a value names by %(name)s. DEFAULT's may be
// named by any section.
func (s *Section) referenced() map[string]bool {
	used := map[string]bool{}
	for _, m := range s.file.sections {
		for _, e := range m {
			for _, name := range references(e.raw) {
				used[name] = true
			}
		}
	}
	for _, e := range s.all {
		for _, name := range references(e.raw) {
			used[name] = true
		}
	}
	return used
}

// Find is the key of that name, nil if keys has none.
func Find(keys []Key, name string) *Key {
	for i := range keys {
		if ok, _ := path.Match(keys[i].Name, name); ok {
			return &keys[i]
		}
	}
	return nil
}

// Sample returns a commented file with every key of a program: what `--ini`
// prints. Keys without a Sample value are commented out.
func Sample(section string, keys []Key) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\n", section)
	for _, k := range keys {
		if k.ReplacedBy != "" {
			continue
		}
		b.WriteString("\n")
		doc := k.Doc
		if k.Unit != "" {
			doc += " [" + k.Unit + "]"
		}
		for line := range strings.SplitSeq(doc, "\n") {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		if k.Sample != "" {
			fmt.Fprintf(&b, "%s = %s\n", k.Name, k.Sample)
		} else {
			fmt.Fprintf(&b, "#%s\n", strings.TrimSpace(k.Name+" = "+k.Default))
		}
	}
	return b.String()
}
