package main

import (
	"regexp"
	"slices"
	"strings"
)

const (
	most    = 40  // lines of a test, of a package
	longest = 400 // bytes of a line
)

// failure is a top-level test that failed, or a package that did without one.
type failure struct {
	title string   // "TestX (package)"
	names []string // the innermost tests that failed, with the package
	said  []string // the last lines
}

// run is what one package has printed so far.
type run struct {
	lines   []said
	whose   string            // the test that the next lines belong to, "" = the package
	state   map[string]string // of a test: run, pause, PASS, SKIP, FAIL
	order   []string          // the tests in the order in which they began
	panicky bool              // what follows is the package's end
	broken  bool              // what follows is the compiler's
}

type said struct{ test, text string }

func newRun() *run { return &run{state: map[string]string{}} }

func (r *run) begun() bool { return len(r.order) > 0 }

var (
	marker  = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME) +(\S*)$`)
	verdict = regexp.MustCompile(`^ *--- (PASS|SKIP|FAIL): (\S+) \(`)
	panics  = regexp.MustCompile(`^(panic|fatal error): `)
)

// building tells whether a line is the compiler's: it speaks between packages,
// and its first line is a comment with the package's name.
func (r *run) building(text string) bool {
	r.broken = !r.begun() && (strings.HasPrefix(text, "# ") || r.broken && !marker.MatchString(text))
	return r.broken
}

func (r *run) line(text string) {
	if m := marker.FindStringSubmatch(text); m != nil {
		r.mark(m[1], m[2])
		return
	}
	if m := verdict.FindStringSubmatch(text); m != nil && r.state[m[2]] != "" {
		r.state[m[2]] = m[1]
		r.whose = ""
		return
	}
	if panics.MatchString(text) {
		r.whose, r.panicky = "", true
	}
	r.lines = append(r.lines, said{r.whose, text})
}

func (r *run) mark(what, test string) {
	r.whose = test
	switch what {
	case "RUN":
		r.order = append(r.order, test)
		r.state[test] = "run"
	case "CONT":
		r.state[test] = "run"
	case "PAUSE":
		r.state[test] = "pause"
	}
}

// failures are those of a package that has failed.
func (r *run) failures(pkg string) []failure {
	var all []failure
	for _, test := range r.order {
		if strings.Contains(test, "/") || !r.failed(test) {
			continue
		}
		all = append(all, r.failure(test, pkg))
	}
	if len(all) > 0 && !r.panicky {
		return all
	}
	// What a panic prints is long, and its head tells most.
	text := r.of(func(test string) bool { return test == "" })
	if at := slices.IndexFunc(text, panics.MatchString); at >= 0 {
		text = text[at:min(len(text), at+most)]
	}
	own := failure{title: pkg, said: last(text)}
	if len(all) == 0 {
		own.names = []string{pkg}
	}
	return append(all, own)
}

// failed tells whether a test failed, or ran when its package ended.
func (r *run) failed(test string) bool { return r.state[test] == "FAIL" || r.state[test] == "run" }

// failure is one of a top-level test.
func (r *run) failure(top, pkg string) failure {
	f := failure{title: top + " (" + pkg + ")"}
	var inner []string
	for _, test := range r.order {
		if within(test, top) && r.failed(test) {
			inner = append(inner, test)
		}
	}
	for _, test := range inner {
		if slices.ContainsFunc(inner, func(other string) bool { return other != test && within(other, test) }) {
			continue
		}
		name := test + " (" + pkg + ")"
		if r.state[test] == "run" {
			name += ", which had not ended"
		}
		f.names = append(f.names, name)
	}
	f.said = last(r.of(func(test string) bool { return slices.Contains(inner, test) }))
	return f
}

// within tells whether a test is another one or one of its parts.
func within(test, of string) bool { return test == of || strings.HasPrefix(test, of+"/") }

// of are the lines of the tests that are wanted, each test named where it
// begins to speak.
func (r *run) of(wanted func(test string) bool) []string {
	var text []string
	whose := ""
	for _, l := range r.lines {
		if !wanted(l.test) {
			continue
		}
		if l.test != whose {
			whose = l.test
			text = append(text, "=== "+whose)
		}
		text = append(text, l.text)
	}
	return text
}

// last are the last lines, none of them endless.
func last(text []string) []string {
	short := slices.Clone(text[max(0, len(text)-most):])
	for i, line := range short {
		if len(line) > longest {
			short[i] = line[:longest] + " …"
		}
	}
	return short
}
