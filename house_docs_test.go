package skytools

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A page's blocks are what its readers copy, so each of them is run. A comment
// before the block names what runs it:
//
//	<!-- run: cmd/londiste/testdata/script/tutorial.txtar -->
//	    londiste replica.ini status      # a remark
//
// Of a story, its lines stand there as exec, exits or sql, in the order of the
// page. With the name of a file in the story the block is that file. In a Go
// file its lines stand as they are; in any other, each somewhere.
//
// A fence marked sh needs no comment: test/docs runs it, with all of its page.

// shownOnly are blocks that nothing runs word for word, by page, or page and
// the block's first line, with the reason.
var shownOnly = map[string]string{
	"docs/read-write-split.md":            "parts of programs, whose calls router's and plproxy's tests make, and settings of other programs",
	"docs/status.md":                      "a made-up set, as the tests of status draw it",
	"docs/tutorial.md":                    "output",
	"ARCHITECTURE.md":                     "a drawing",
	"CONTRIBUTING.md":                     "what .ci/run does for the machine at hand, and make's targets",
	"bench/README.md":                     "measurements: they take half an hour and a quiet machine",
	"docs/design/018-held-transaction.md": "a measurement",
	"docs/sql.md":                         "written from the catalogue: signatures",
	"docs/errors.md":                      "written from code and SQL: how an error looks",
	"docs/commands-londiste.md":           "written from the program: how commands are called",
	"docs/commands-pgqadm.md":             "written from the program: how commands are called",
	"docs/install.md":                     "tools/release's tests install and remove what it names; no systemd and no registry runs in them",
	"docs/attach.md":                      "LSN, N, QUEUE and JOB are the reader's; attach_test.go of londiste does each way",
	"docs/moving.md":                      "needs a server with the extension and a superuser; extension.txtar of pgqadm and schema's tests move both ways",
	"docs/dashboard.md":                   "settings of other programs; http.txtar of londiste has the pages served",
	"docs/monitoring.md":                  "settings of other programs; http.txtar of londiste runs what is ours, promtool's tests the rules",
}

// block is what a reader copies: fenced, or indented by four.
type block struct {
	page  string
	line  int
	lang  string // of a fence
	lines []string
	run   string // of the mark before it
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var marked = regexp.MustCompile(`^<!-- run: (.+) -->$`)

// blocksOf takes a page apart.
func blocksOf(page, text string) []block {
	var found []block
	lines := strings.Split(text, "\n")
	blank, run := true, ""
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		b := block{page: page, line: i + 1, run: run}
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			b.lang = strings.TrimLeft(line, " `")
			for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "```"); i++ {
				b.lines = append(b.lines, lines[i])
			}
		case blank && strings.HasPrefix(line, "    "):
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || lines[i] == ""); i++ {
				b.lines = append(b.lines, strings.TrimPrefix(lines[i], "    "))
			}
			i--
			for b.lines[len(b.lines)-1] == "" {
				b.lines = b.lines[:len(b.lines)-1]
			}
		default:
			if m := marked.FindStringSubmatch(line); m != nil {
				run, blank = m[1], true
				continue
			}
			blank = line == ""
			if !blank {
				run = ""
			}
			continue
		}
		found = append(found, b)
		blank, run = true, ""
	}
	return found
}

// story is what runs blocks: lines, of which those before at were used.
type story struct {
	lines []string
	files map[string]string
	at    int
}

func readStory(name string) (*story, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &story{lines: strings.Split(string(text), "\n"), files: map[string]string{}}
	if path.Ext(name) == ".txtar" {
		archive := txtar.Parse(text)
		s.lines = nil
		for line := range strings.SplitSeq(string(archive.Comment), "\n") {
			s.lines = append(s.lines, plainCommand(line))
		}
		for _, f := range archive.Files {
			s.files[f.Name] = string(f.Data)
		}
	}
	return s, nil
}

var runner = regexp.MustCompile(`^(exec|exits \d+|status \d+|(sql|admin) \w+) `)

// plainCommand is a line of a story as a reader would type it.
func plainCommand(line string) string {
	how := runner.FindString(line)
	if how == "" {
		return ""
	}
	line = strings.TrimPrefix(line, how)
	if strings.HasPrefix(how, "sql") || strings.HasPrefix(how, "admin") {
		return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(line, "'"), "'"), "''", "'")
	}
	return strings.TrimSuffix(oldNames.ReplaceAllString(line, "$1"), " &")
}

var oldNames = regexp.MustCompile(`\b(londiste|pgqadm)\.py\b`)

// typed are the lines of a block without remarks and without the names'
// endings of Skytools.
func (b block) typed() []string {
	var all []string
	for _, line := range b.lines {
		line, _, _ = strings.Cut(line, "  #")
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		if line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, oldNames.ReplaceAllString(line, "$1"))
		}
	}
	return all
}

// unrun tells the first line of a block that its story does not run.
func (b block) unrun(s *story, name, file string) string {
	whole := strings.Join(b.lines, "\n")
	switch {
	case file != "":
		if strings.TrimSpace(s.files[file]) != strings.TrimSpace(whole) {
			return "file " + file
		}
	case path.Ext(name) == ".go":
		var own []string
		for _, line := range s.lines {
			own = append(own, strings.TrimSpace(line))
		}
		for i, line := range b.lines {
			b.lines[i] = strings.TrimSpace(line)
		}
		if !strings.Contains(strings.Join(own, "\n"), strings.Join(b.lines, "\n")) {
			return b.lines[0]
		}
	case path.Ext(name) == ".txtar":
		for _, line := range b.typed() {
			next := slices.Index(s.lines[s.at:], line)
			if next < 0 {
				return line
			}
			s.at += next + 1
		}
	default:
		for _, line := range b.typed() {
			if !strings.Contains(strings.Join(s.lines, "\n"), line) {
				return line
			}
		}
	}
	return ""
}

// TestPagesAreRun wants each block of each page run, or in the table with its
// reason.
func TestPagesAreRun(t *testing.T) {
	used := map[string]bool{}
	for _, page := range projectFiles(t, ".md") {
		if under(path.Dir(page), "docs/zh") { // shows what the English page does: TestTranslationsShowTheSame
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		stories := map[string]*story{}
		for _, b := range blocksOf(page, string(text)) {
			if len(b.lines) == 0 || b.lang == "sh" {
				continue
			}
			if b.run == "" {
				key := page + ": " + strings.TrimSpace(b.lines[0])
				if shownOnly[key] == "" {
					key = page
				}
				used[key] = true
				if shownOnly[key] == "" {
					t.Errorf("%s: nothing runs this block (name a story in a comment before it, <!-- run: FILE -->, or give the reason in house_docs_test.go)", b)
				}
				continue
			}
			name, file, _ := strings.Cut(b.run, " ")
			if stories[name] == nil {
				if stories[name], err = readStory(name); err != nil {
					t.Errorf("%s: %v", b, err)
					continue
				}
			}
			if line := b.unrun(stories[name], name, file); line != "" {
				t.Errorf("%s: %s does not run, after what comes before it in the page: %s (what readers copy must work)", b, name, line)
			}
		}
	}
	for key := range shownOnly {
		if !used[key] {
			t.Errorf("house_docs_test.go: %s has no such block any more", key)
		}
	}
}

// TestIndexIsWhole wants each page of docs in the index; design has too many,
// and a translation has its own README.
func TestIndexIsWhole(t *testing.T) {
	index, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range projectFiles(t, ".md") {
		name, ok := strings.CutPrefix(page, "docs/")
		if !ok || name == "README.md" || under(page, "docs/design", "docs/zh") {
			continue
		}
		if !strings.Contains(string(index), "("+name+")") {
			t.Errorf("docs/README.md does not name %s (who looks for a page looks there)", name)
		}
	}
}

// TestPageRuleBites shows it pages that tell what no story does.
func TestPageRuleBites(t *testing.T) {
	s := func() *story {
		return &story{lines: []string{"londiste x.ini status", "select 1", "londiste x.ini check"}, files: map[string]string{"x.ini": "[londiste]\n"}}
	}
	for text, want := range map[string]string{
		"<!-- run: a.txtar -->\n    londiste.py x.ini status  # so\n    londiste x.ini check\n": "",
		"<!-- run: a.txtar -->\n```\nselect 1;\n```\n":                                          "",
		"<!-- run: a.txtar -->\n    londiste x.ini check\n    londiste x.ini status\n":          "londiste x.ini status",
		"<!-- run: a.txtar x.ini -->\n\n    [londiste]\n":                                       "",
		"<!-- run: a.txtar x.ini -->\n```ini\n[pgqadm]\n```\n":                                  "file x.ini",
		"<!-- run: a.go -->\n```go\n\tselect 1\n```\n":                                          "",
		"text\n\n    londiste x.ini nosuch\n":                                                   "no mark",
	} {
		b := blocksOf("page.md", text)[0]
		name, file, _ := strings.Cut(b.run, " ")
		got := "no mark"
		if b.run != "" {
			got = b.unrun(s(), name, file)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
