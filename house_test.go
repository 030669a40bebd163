package skytools

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each rule of the house is a test. A breach is reported as
// `file:line: what is wrong (why the rule exists)`.

const module = "github.com/skytools-go/skytools"

// source is one Go file of the project, parsed.
type source struct {
	path string // from the root, with slashes
	file *ast.File
	text []byte
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

var fset = token.NewFileSet()

// where is a position as the reader's editor opens it.
func where(n ast.Node) string {
	p := fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", filepath.ToSlash(p.Filename), p.Line)
}

// projectFiles lists the files of the project whose name ends in one of the
// given ways; build results and folders of tools are not the project's.
func projectFiles(t *testing.T, ends ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && p != ".ci" && (strings.HasPrefix(name, ".") || p == "bin" || p == "dist" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		for _, end := range ends {
			if strings.HasSuffix(name, end) {
				found = append(found, filepath.ToSlash(p))
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no files %v: is this the project's root?", ends)
	}
	return found
}

func goSources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, p := range projectFiles(t, ".go") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{p, f, text})
	}
	return all
}

// under tells whether dir is one of rooms or below it.
func under(dir string, rooms ...string) bool {
	for _, r := range rooms {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}

// rooms are the floors of the house: what each may import of our own. The
// first entry that fits a folder counts.
var rooms = []struct {
	dir string
	may []string
}{
	{"internal/pgtest", []string{"internal"}},
	{"internal", []string{"internal"}},
	{"schema", []string{"internal"}},
	{"pgq", libraryFloor},
	{"ticker", append([]string{"pgq"}, libraryFloor...)},
	{"doctor", append([]string{"ticker", "pgq", "internal/noun"}, libraryFloor...)},
	{"londiste/set", []string{"pgq", "internal"}},
	{"londiste/replay", []string{"londiste/set", "pgq", "internal"}},
	{"londiste/diagnosis", []string{"londiste", "doctor", "pgq", "internal"}},
	{"londiste", []string{"londiste/set", "pgq", "internal"}},
	{"relay", []string{"pgq", "internal"}},
	{"router", []string{"londiste", "pgq", "internal"}},
	{"plproxy", []string{"londiste", "pgq", "internal"}},
	{"web", []string{"londiste", "doctor", "ticker", "pgq", "internal"}},
	{"cmd", []string{"web", "router", "plproxy", "londiste", "relay", "doctor", "ticker", "pgq", "schema", "internal"}},
	{"test", []string{"cmd", "web", "router", "plproxy", "londiste", "relay", "doctor", "ticker", "pgq", "schema", "internal"}},
	{"bench", []string{"cmd", "web", "londiste", "ticker", "pgq", "schema", "internal"}},
	{"tools/release", nil},
	{".", nil},
}

// libraryFloor is what a library of queues stands on.
var libraryFloor = []string{
	"internal/loop", "internal/failpoint", "internal/hint", "internal/ident", "internal/notice", "internal/session",
}

// outside are the foreign modules a room may import, beside the standard
// library and those named in everywhere.
var outside = map[string][]string{
	"web":             {"github.com/prometheus/client_golang", "golang.org/x/sync"},
	"internal/cli":    {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd":             {"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/sync", "golang.org/x/sys"},
	"internal/daemon": {"golang.org/x/sys"},
	"internal/dsn":    {"golang.org/x/sys"},
	"internal/screen": {
		"charm.land", "github.com/charmbracelet/x/ansi", "github.com/charmbracelet/colorprofile", "github.com/spf13/cobra", "golang.org/x/sys",
	},
	"internal/pgserver": {"golang.org/x/sys"},
	"internal/transfer": {"golang.org/x/sync"},
	"londiste":          {"golang.org/x/sync"},
	"test":              {"golang.org/x/sync", "golang.org/x/sys"},
	"bench":             {"golang.org/x/sync", "golang.org/x/sys"},
	"tools/release": {
		"github.com/goreleaser/nfpm/v2", "github.com/google/go-containerregistry", "github.com/cpuguy83/go-md2man/v2",
		"github.com/CycloneDX/cyclonedx-go", "golang.org/x/crypto/x509roots",
	},
}

var everywhere = []string{"github.com/jackc/pgx/v5"}

// TestImports keeps the arrows falling: cmd, londiste, pgq, internal.
func TestImports(t *testing.T) {
	for _, s := range goSources(t) {
		if s.isTest() {
			continue // a test may bring any two floors together
		}
		for _, imp := range s.file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := importBreach(s.dir(), p); why != "" {
				t.Errorf("%s: %s imports %s (%s)", where(imp), s.dir(), p, why)
			}
		}
	}
}

func importBreach(dir, imported string) string {
	if imported == "C" {
		return "no cgo: one static binary for every machine"
	}
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return ownBreach(dir, own)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	if under(imported, everywhere...) {
		return ""
	}
	for room, modules := range outside {
		if under(dir, room) && under(imported, modules...) {
			return ""
		}
	}
	return "a dependency stays in the rooms it is for; the table `outside` of house_test.go lists them"
}

func ownBreach(dir, own string) string {
	if under(own, "internal/pgtest", "internal/pgserver") && !under(dir, "internal/pgtest", "test", "bench") {
		return "throwaway servers are for tests, benchmarks and the demo"
	}
	for _, room := range rooms {
		if !under(dir, room.dir) && room.dir != "." {
			continue
		}
		if under(own, room.may...) {
			return ""
		}
		return fmt.Sprintf("%s may import %v of ours: arrows fall, none climbs", room.dir, room.may)
	}
	return "a folder without a line in the table `rooms` of house_test.go"
}

// TestImportRulesBite asks for imports that must be refused.
func TestImportRulesBite(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		ok            bool
	}{
		{"pgq", module + "/internal/loop", true},
		{"pgq", module + "/internal/dsn", false},
		{"pgq", module + "/londiste", false},
		{"pgq", module + "/ticker", false},
		{"ticker", module + "/pgq", true},
		{"ticker", module + "/doctor", false},
		{"londiste", module + "/ticker", false},
		{"londiste", module + "/londiste/set", true},
		{"londiste/replay", module + "/londiste/set", true},
		{"londiste/replay", module + "/londiste", false},
		{"londiste", module + "/londiste/replay", false},
		{"londiste", module + "/doctor", false},
		{"londiste/diagnosis", module + "/doctor", true},
		{"londiste/set", module + "/londiste/replay", false},
		{"internal/apply", module + "/pgq", false},
		{"internal/apply", module + "/internal/failpoint", true},
		{"londiste", module + "/schema", false},
		{"router", module + "/londiste", true},
		{"londiste", module + "/router", false},
		{"cmd/londiste", module + "/schema", true},
		{"cmd/londiste", module + "/internal/pgtest", false},
		{"test/demo", module + "/internal/pgserver", true},
		{"newroom", module + "/pgq", false},
		{"londiste", "github.com/spf13/cobra", false},
		{"internal/cli", "github.com/spf13/cobra", true},
		{"internal/screen", "charm.land/lipgloss/v2", true},
		{"londiste", "charm.land/lipgloss/v2", false},
		{"pgq", "github.com/jackc/pgx/v5/pgconn", true},
		{"pgq", "encoding/json", true},
		{"pgq", "C", false},
	} {
		if why := importBreach(c.dir, c.imported); (why == "") != c.ok {
			t.Errorf("%s imports %s: %q, want allowed %v", c.dir, c.imported, why, c.ok)
		}
	}
}

// TestPackageDocs wants the story of each package.
func TestPackageDocs(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]bool{}
	for _, s := range goSources(t) {
		if s.isTest() || under(s.dir(), "testdata") || strings.Contains(s.dir(), "/testdata") {
			continue
		}
		seen[s.dir()] = true
		if doc := s.file.Doc.Text(); len(strings.Fields(doc)) >= 5 {
			documented[s.dir()] = true
		}
	}
	for dir := range seen {
		if !documented[dir] {
			t.Errorf("%s: no package comment (a reader starts there: model, invariants, failure handling)", dir)
		}
	}
}

// TestExportedDocs wants a comment on every exported name of a public room.
func TestExportedDocs(t *testing.T) {
	for _, s := range goSources(t) {
		if s.isTest() || !under(s.dir(), "pgq", "ticker", "doctor", "londiste", "plproxy", "relay", "router", "web", "schema") {
			continue
		}
		for _, decl := range s.file.Decls {
			for _, n := range undocumented(decl) {
				t.Errorf("%s: %s has no comment (exported names of a public package tell shapes, units, errors)", where(n), n.Name)
			}
		}
	}
}

func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && receiverExported(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			names = append(names, undocumentedSpec(spec, d.Doc != nil)...)
		}
		return names
	}
	return nil
}

// undocumentedSpec takes a group's comment for its constants and variables.
func undocumentedSpec(spec ast.Spec, group bool) []*ast.Ident {
	var names []*ast.Ident
	switch sp := spec.(type) {
	case *ast.TypeSpec:
		if sp.Name.IsExported() && sp.Doc == nil && !group {
			names = append(names, sp.Name)
		}
	case *ast.ValueSpec:
		if sp.Doc != nil || sp.Comment != nil || group {
			return nil
		}
		for _, n := range sp.Names {
			if n.IsExported() {
				names = append(names, n)
			}
		}
	}
	return names
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

const (
	maxFileLines     = 600
	maxFunctionLines = 120
)

// TestSizes keeps files and functions readable in one sitting.
func TestSizes(t *testing.T) {
	const why = "aim at 400 and 80; who needs more has two things in one"
	for _, p := range projectFiles(t, ".go", ".sql") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxFileLines {
			t.Errorf("%s: %d lines, at most %d (%s)", p, n, maxFileLines, why)
		}
	}
	for _, s := range goSources(t) {
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			if n > maxFunctionLines {
				t.Errorf("%s: function %s has %d lines, at most %d (%s)", where(f), f.Name.Name, n, maxFunctionLines, why)
			}
		}
	}
}

var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "types", "models", "base", "misc", "skytools"}

// TestNames refuses names that say nothing of what is inside.
func TestNames(t *testing.T) {
	for _, p := range projectFiles(t, ".go") {
		parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(p, path.Ext(p)), "_test"), "/")
		for _, part := range parts {
			if slices.Contains(emptyNames, part) {
				t.Errorf("%s: a name like %q tells nothing (one noun, one file)", p, part)
			}
		}
	}
}

// TestNoSkips leaves skipping to pgtest, which says what to install and obeys
// REQUIRE=all.
func TestNoSkips(t *testing.T) {
	for _, s := range goSources(t) {
		if under(s.dir(), "internal/pgtest") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "tb", "f"}, x.Name) {
					t.Errorf("%s: %s.%s (a skip hides a test; ask for what it needs by pgtest.RequireTool)", where(sel), x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// machinePaths are places of one machine, and addresses of registries: which
// of them is used is the business of the tool and its configuration.
var machinePaths = regexp.MustCompile(`(^|[^\w.~])(/wor[k]/|/tmp/w[t]|/tmp/pla[n])` +
	`|proxy\.golan[g]\.org|registry\.npmj[s]|deb\.debia[n]\.org|pypi\.or[g]`)

// TestNoMachinePaths keeps one machine's folders out of everybody's.
func TestNoMachinePaths(t *testing.T) {
	for _, p := range projectFiles(t, ".go", ".sql", ".md", ".ini", ".txtar", ".sh", "Makefile", "run", ".mod", ".service", ".yaml", ".conf", ".out") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			if m := machinePaths.FindString(line); m != "" {
				t.Errorf("%s:%d: %q (a path or registry of one machine does not belong in the project)", p, n, m)
			}
		}
	}
}
