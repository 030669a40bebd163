package conf

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"unicode"

	"github.com/skytools-go/skytools/internal/hint"
)

// File is a parsed ini file.
type File struct {
	Path     string
	defaults map[string]entry // the section DEFAULT
	sections map[string]map[string]entry
	order    []string
}

// entry is a value before interpolation. line 0: not from the file.
type entry struct {
	raw  string
	line int
}

// Load reads the file at path.
func Load(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.With(fmt.Errorf("config file: %w", err), "the first argument is the ini file; --ini prints a sample")
	}
	return Parse(path, string(data))
}

// Parse reads text; path is for messages. The error names every bad line.
func Parse(path, text string) (*File, error) {
	r := reader{f: &File{Path: path, defaults: map[string]entry{}, sections: map[string]map[string]entry{}}}
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for line := range strings.Lines(text) {
		r.number++
		r.line(strings.TrimSuffix(line, "\n"))
	}
	r.finish()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return r.f, nil
}

// Sections lists the sections in file order, without DEFAULT.
func (f *File) Sections() []string { return f.order }

// at prefixes a message with file and line.
func (f *File) at(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", f.Path, line, fmt.Sprintf(format, args...))
}

// reader is the state between two lines, in ConfigParser's order of tests.
type reader struct {
	f       *File
	number  int
	section map[string]entry
	name    string   // of section
	key     string   // the value that a deeper line continues; "" for none
	lines   []string // of that value
	start   int      // its first line
	indent  int      // of its first line
	errs    []error
}

func (r *reader) fail(format string, args ...any) {
	r.errs = append(r.errs, r.f.at(r.number, format, args...))
}

func (r *reader) line(line string) {
	text := strings.TrimFunc(line, space)
	switch {
	case strings.HasPrefix(text, "#"), strings.HasPrefix(text, ";"):
		return
	case text == "":
		// An empty line may stand inside a value; one at its end is cut off.
		if r.key != "" {
			r.lines = append(r.lines, "")
		}
		return
	}
	indent := len([]rune(line)) - len([]rune(strings.TrimLeftFunc(line, space)))
	if r.key != "" && indent > r.indent {
		r.lines = append(r.lines, text)
		return
	}
	r.finish()
	r.indent = indent
	if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
		r.header(text[1:end])
		return
	}
	if r.section == nil {
		r.fail("a section header like [londiste] must come first")
		r.section = map[string]entry{} // told once
	}
	r.option(text)
}

func (r *reader) header(name string) {
	r.name = name
	if name == "DEFAULT" {
		r.section = r.f.defaults
		return
	}
	r.section = map[string]entry{}
	if _, twice := r.f.sections[name]; twice {
		r.fail("section [%s] is here twice", name)
		return
	}
	r.f.sections[name] = r.section
	r.f.order = append(r.f.order, name)
}

func (r *reader) option(text string) {
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		// The line may be the rest of a connection string: not printed.
		r.errs = append(r.errs, hint.With(r.f.at(r.number, "no = or : in this line"),
			"a line that goes on with a value is indented, a comment begins with #"))
		return
	}
	key := strings.ToLower(strings.TrimRightFunc(text[:i], space))
	if key == "" {
		r.fail("no key before %q", text[i:i+1])
		return
	}
	if old, twice := r.section[key]; twice {
		r.fail("key %s of section [%s] is given twice, first in line %d", key, r.name, old.line)
	}
	r.section[key] = entry{line: r.number}
	r.key, r.start = key, r.number
	r.lines = []string{strings.TrimFunc(text[i+1:], space)}
}

// finish stores the value that the lines so far make up.
func (r *reader) finish() {
	if r.key != "" {
		value := strings.TrimRightFunc(strings.Join(r.lines, "\n"), space)
		r.section[r.key] = entry{value, r.start}
	}
	r.key, r.indent = "", math.MaxInt
}

// space is what Python's str.strip removes.
func space(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }
