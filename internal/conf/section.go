package conf

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
)

// Section is one program's view of a file: its own section, then DEFAULT,
// then the program's defaults. Its getters collect errors for [Section.Err];
// a getter that failed returns its default.
type Section struct {
	Name string
	file *File
	own  map[string]entry
	all  map[string]entry
	errs []error
	bad  map[string]bool // keys whose error is already in errs
}

// Section returns the named section. Beside defaults, whose keys are lower
// case, %(job_name)s and %(service_name)s are the section's name and
// %(host_name)s the machine's, unless the file sets them. defaults may be nil.
func (f *File) Section(name string, defaults map[string]string) (*Section, error) {
	own, ok := f.sections[name]
	if !ok {
		err := fmt.Errorf("%s: no section [%s]", f.Path, name)
		if near := hint.Nearest(name, f.order); near != "" {
			return nil, hint.With(err, "rename section [%s] to [%s]", near, name)
		}
		if len(f.order) > 0 {
			return nil, hint.With(err, "it has [%s]: is it another program's file?", strings.Join(f.order, "], ["))
		}
		return nil, hint.With(err, "the section is named after the program")
	}
	host, _ := os.Hostname()
	s := &Section{Name: name, file: f, own: own, bad: map[string]bool{}, all: map[string]entry{
		"job_name": {raw: literal(name)}, "service_name": {raw: literal(name)}, "host_name": {raw: literal(host)},
	}}
	for key, v := range defaults {
		s.all[key] = entry{raw: v}
	}
	for _, m := range []map[string]entry{f.defaults, own} {
		for key, e := range m {
			s.all[key] = e
		}
	}
	return s, nil
}

func literal(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// Path is the file's name.
func (s *Section) Path() string { return s.file.Path }

// Where names the place of a key for messages: `replica.ini:3`, or the file
// alone when it does not set the key.
func (s *Section) Where(key string) string {
	if e := s.all[key]; e.line > 0 {
		return fmt.Sprintf("%s:%d", s.file.Path, e.line)
	}
	return s.file.Path
}

// Err returns all errors that getters met, one a line.
func (s *Section) Err() error { return errors.Join(s.errs...) }

func (s *Section) fail(key string, err error) {
	if !s.bad[key] {
		s.bad[key] = true
		s.errs = append(s.errs, err)
	}
}

// Get returns a key's value with %(name)s replaced; false when it is not set
// anywhere or cannot be interpolated.
func (s *Section) Get(key string) (string, bool) {
	e, ok := s.all[key]
	if !ok {
		return "", false
	}
	v, err := expand(e.raw, 1, func(k string) (entry, bool) { e, ok := s.all[k]; return e, ok })
	if err != nil {
		s.fail(key, hint.With(fmt.Errorf("%s: %s: %w", s.Where(key), key, err), "a percent sign is written %%%%"))
		return "", false
	}
	return v, true
}

// String returns a key's value, or def when it is not set.
func (s *Section) String(key, def string) string {
	if v, ok := s.Get(key); ok {
		return v
	}
	return def
}

// Need returns the value of a key that must be set and not empty.
func (s *Section) Need(key string) string {
	v, ok := s.Get(key)
	if (!ok || v == "") && !s.bad[key] {
		s.fail(key, fmt.Errorf("%s: key %s is missing in section [%s]", s.file.Path, key, s.Name))
	}
	return v
}

// File returns the path that a key gives, with ~ and ~user replaced by the
// home directory.
func (s *Section) File(key, def string) string {
	v := s.String(key, def)
	if !strings.HasPrefix(v, "~") {
		return v
	}
	name, rest, _ := strings.Cut(v[1:], "/")
	home := ""
	if name == "" {
		home = os.Getenv("HOME")
	}
	if home == "" {
		u, err := user.Current()
		if name != "" {
			u, err = user.Lookup(name)
		}
		if err != nil {
			s.fail(key, fmt.Errorf("%s: %s: %w", s.Where(key), key, err))
			return def
		}
		home = u.HomeDir
	}
	return filepath.Join(home, rest)
}

// number reads key by parse; want says what is expected.
func number[T any](s *Section, key string, def T, want string, parse func(string) (T, bool)) T {
	text, ok := s.Get(key)
	if !ok {
		return def
	}
	v, ok := parse(strings.TrimFunc(text, space))
	if !ok {
		s.fail(key, fmt.Errorf("%s: %s = %q is not %s", s.Where(key), key, text, want))
		return def
	}
	return v
}

// Choice returns a key's value, which must be one of the words.
func (s *Section) Choice(key, def string, words ...string) string {
	return number(s, key, def, "one of "+strings.Join(words, ", "), func(t string) (string, bool) {
		return t, slices.Contains(words, t)
	})
}

// List returns the words of a key's comma list, none for a key that is not set.
func (s *Section) List(key string) []string {
	var words []string
	for word := range strings.SplitSeq(s.String(key, ""), ",") {
		if word = strings.TrimFunc(word, space); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// Int returns a key's whole number.
func (s *Section) Int(key string, def int) int {
	return number(s, key, def, "a whole number", func(t string) (int, bool) {
		n, err := strconv.Atoi(t)
		return n, err == nil
	})
}

// Float returns a key's number.
func (s *Section) Float(key string, def float64) float64 {
	return number(s, key, def, "a number", float)
}

func float(t string) (float64, bool) {
	x, err := strconv.ParseFloat(t, 64)
	return x, err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
}

// Bool returns a key's truth: 1/0, yes/no, true/false, on/off in any case.
func (s *Section) Bool(key string, def bool) bool {
	return number(s, key, def, "1/0, yes/no, true/false or on/off", func(t string) (v, ok bool) {
		switch strings.ToLower(t) {
		case "1", "yes", "true", "on":
			return true, true
		case "0", "no", "false", "off":
			return false, true
		}
		return false, false
	})
}

// Duration returns a key's number of seconds, fractions included.
func (s *Section) Duration(key string, def time.Duration) time.Duration {
	return number(s, key, def, "a number of seconds", func(t string) (time.Duration, bool) {
		x, ok := float(t)
		ns := x * float64(time.Second)
		return time.Duration(ns), ok && ns >= 0 && ns < math.MaxInt64
	})
}

// Size returns a key's number of bytes: 65536, 64kB, 1.5GB, as PostgreSQL
// counts them.
func (s *Section) Size(key string, def int64) int64 {
	return number(s, key, def, "a size like 65536, 64kB or 1GB", ParseSize)
}

// ParseSize reads a number of bytes, or of kB, MB, GB, TB.
func ParseSize(text string) (int64, bool) {
	unit := 1.0
	for i, name := range []string{"kB", "MB", "GB", "TB"} {
		if n, found := strings.CutSuffix(text, name); found {
			text, unit = strings.TrimSpace(n), math.Pow(1024, float64(i+1))
		}
	}
	x, ok := float(strings.TrimSuffix(text, "B"))
	x *= unit
	return int64(x), ok && x >= 0 && x < math.MaxInt64
}
