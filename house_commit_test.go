package skytools

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// commitsAnywhere are the rooms where a commit needs no failpoint: they hold
// no promise of ours.
var commitsAnywhere = []string{"internal/pgtest", "internal/pgserver", "internal/failpoint", "test", "bench"}

var commitStatement = regexp.MustCompile(`(?i)^\s*(commit|end)\b`)

// writingStatement is one that commits by itself when no transaction is open.
var writingStatement = regexp.MustCompile(`(?i)^\s*(insert|update|delete|truncate|create|alter|drop|grant|` +
	`select\s+(pgq|pgq_node|londiste|skytools)\.(\w*register\w*|tick\w*|ack|claim|unclaim|maint\w*|next_batch\w*|finish\w*|create\w*|drop\w*|set_\w*|insert_event\w*))\b`)

// TestCommits wants each commit between two failpoints: a crash test kills the
// program at every point, so a commit without one is a commit never tested.
// It sees calls of methods named Commit, pgx's functions that commit by
// themselves, COMMIT as a statement, and a literal statement that writes over
// anything but a tx (which is what a transaction is called). A statement put
// together elsewhere cannot be seen; it needs a point all the same.
func TestCommits(t *testing.T) {
	for _, s := range goSources(t) {
		if s.isTest() || under(s.dir(), commitsAnywhere...) {
			continue
		}
		for _, breach := range bareCommits(s.file) {
			t.Error(breach)
		}
	}
}

func bareCommits(f *ast.File) []string {
	var breaches []string
	var covered []*ast.FuncLit
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if isFailpointCommit(call) {
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.FuncLit); ok {
					covered = append(covered, lit)
				}
			}
			return true
		}
		if what := commits(call); what != "" && !inside(call, covered) {
			breaches = append(breaches, fmt.Sprintf("%s: %s outside failpoint.Commit (a crash test must be able to kill the program on either side of every commit)",
				where(call), what))
		}
		return true
	})
	return breaches
}

// TestCommitRuleBites shows it commits of each kind, covered and bare.
func TestCommitRuleBites(t *testing.T) {
	for body, want := range map[string]int{
		`failpoint.Commit(failpoint.Apply, func() error { return tx.Commit(ctx) })`:           0,
		`failpoint.Commit(failpoint.Apply, func() error { _, err := c.Exec(ctx, "commit") })`: 0,
		`_ = tx.Commit(ctx)`: 1,
		`commit := func() error { return tx.Commit(ctx) }; failpoint.Commit(failpoint.Apply, commit)`: 1,
		`pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return nil })`:                              1,
		"conn.Exec(ctx, ` COMMIT`)":                                                                1,
		`conn.Exec(ctx, "comment on table x is 'y'")`:                                              0,
		`conn.QueryRow(ctx, "select skytools.tick($1)", q).Scan(&id)`:                              1,
		`tx.Exec(ctx, "update t set x = 1")`:                                                       0,
		`s.conn.Exec(ctx, "update t set x = 1")`:                                                   1,
		`failpoint.Commit(failpoint.Ack, func() error { _, err := c.Exec(ctx, "delete from t") })`: 0,
	} {
		f, err := parser.ParseFile(fset, "x.go", "package x\nfunc f() {\n"+body+"\n}", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := bareCommits(f); len(got) != want {
			t.Errorf("%s: %d breaches %v, want %d", body, len(got), got, want)
		}
	}
}

func isFailpointCommit(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Commit" {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == "failpoint"
}

// commits says what a call commits: "" when nothing that can be seen.
func commits(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	switch sel.Sel.Name {
	case "Commit":
		return "a call of Commit"
	case "BeginFunc", "BeginTxFunc":
		return "pgx." + sel.Sel.Name + ", which commits by itself,"
	case "Exec", "Query", "QueryRow":
		to, _ := sel.X.(*ast.Ident)
		for _, arg := range call.Args {
			lit, ok := arg.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			sql, err := strconv.Unquote(lit.Value)
			if err == nil && (commitStatement.MatchString(sql) || writingStatement.MatchString(sql) && (to == nil || to.Name != "tx")) {
				return "the statement " + lit.Value
			}
		}
	}
	return ""
}

func inside(n ast.Node, lits []*ast.FuncLit) bool {
	for _, l := range lits {
		if l.Pos() <= n.Pos() && n.End() <= l.End() {
			return true
		}
	}
	return false
}

// TestPoints wants each point of the table in use, and within a package in one
// file: a crash test arms a point by name and must know what it kills.
func TestPoints(t *testing.T) {
	uses := map[string]map[string][]string{} // point, package, files
	var names []string
	for _, s := range goSources(t) {
		if s.path == "internal/failpoint/points.go" {
			names = pointNames(s.file)
		}
		if s.isTest() {
			continue
		}
		for _, point := range pointsPassed(s.file) {
			if uses[point] == nil {
				uses[point] = map[string][]string{}
			}
			if files := uses[point][s.dir()]; !slices.Contains(files, s.path) {
				uses[point][s.dir()] = append(files, s.path)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("found no points in internal/failpoint/points.go")
	}
	for _, name := range names {
		if len(uses[name]) == 0 {
			t.Errorf("failpoint.%s is used nowhere (a name in the table that kills nothing makes the crash tests lie)", name)
		}
		for _, files := range uses[name] {
			if len(files) > 1 {
				t.Errorf("failpoint.%s is passed in %v (a point has one place in a package: let them share a function, or name another point)", name, files)
			}
		}
	}
}

// pointsPassed lists the points that a file names: it passes them to
// failpoint.Commit, or to a function that does.
func pointsPassed(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "failpoint" {
			found = append(found, sel.Sel.Name)
		}
		return true
	})
	return found
}

func pointNames(f *ast.File) []string {
	var names []string
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			for _, n := range spec.(*ast.ValueSpec).Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
