package skytools

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// conditions are the SQLSTATEs of the names that our functions raise by.
var conditions = map[string]string{
	"active_sql_transaction": "25001", "array_subscript_error": "2202E", "cardinality_violation": "21000",
	"configuration_limit_exceeded": "53400", "data_corrupted": "XX001", "datatype_mismatch": "42804",
	"dependent_objects_still_exist": "2BP01", "duplicate_object": "42710", "duplicate_schema": "42P06",
	"feature_not_supported": "0A000", "insufficient_privilege": "42501", "invalid_parameter_value": "22023",
	"invalid_table_definition": "42P16", "lock_not_available": "55P03", "null_value_not_allowed": "22004",
	"object_in_use": "55006", "object_not_in_prerequisite_state": "55000", "read_only_sql_transaction": "25006",
	"serialization_failure": "40001", "trigger_protocol_violated": "39P01", "undefined_column": "42703",
	"undefined_object": "42704", "undefined_table": "42P01", "unique_violation": "23505", "wrong_object_type": "42809",
}

// exception is one of a function in SQL.
type exception struct{ state, text, hint, function string }

var (
	raised      = regexp.MustCompile(`(?s)raise exception\s+(.*?);\n`)
	literal     = `'((?:[^']|'')*)'`
	message     = regexp.MustCompile(`(?s)^` + literal)
	code        = regexp.MustCompile(`errcode\s*=\s*'([^']+)'`)
	placeholder = regexp.MustCompile(`%[sIL]\b`)
	brackets    = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
	advice      = regexp.MustCompile(`(?s)hint\s*=\s*(?:(?:pg_catalog\.)?format\()?` + literal)
)

// raisesOf finds the exceptions of a function's file.
func raisesOf(file, sql string) ([]exception, error) {
	parts := strings.Split(file, "/")
	name := parts[1] + "." + strings.TrimSuffix(path.Base(file), ".sql")
	var all []exception
	for _, m := range raised.FindAllStringSubmatch(sql, -1) {
		text, state := message.FindStringSubmatch(m[1]), code.FindStringSubmatch(m[1])
		if text == nil || state == nil {
			return nil, fmt.Errorf("%s: an exception without a text or an errcode of its own: %s", file, m[1])
		}
		number := conditions[state[1]]
		if number == "" && len(state[1]) == 5 {
			number = state[1]
		}
		if number == "" {
			return nil, fmt.Errorf("%s: add the SQLSTATE of %s to the table of house_errors_test.go", file, state[1])
		}
		r := exception{state: number, text: unquoted(text[1]), function: name}
		if hint := advice.FindStringSubmatch(m[1]); hint != nil {
			r.hint = unquoted(hint[1])
		}
		all = append(all, r)
	}
	return all, nil
}

func unquoted(s string) string {
	return placeholder.ReplaceAllString(strings.Join(strings.Fields(strings.ReplaceAll(s, "''", "'")), " "), "%")
}

// sentinel is an exported error of a Go package.
type sentinel struct{ name, text, doc string }

// sentinelsOf finds the errors that a file of Go exports, with their comments.
func sentinelsOf(pkg string, f *ast.File) []sentinel {
	var all []sentinel
	for _, decl := range f.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			if !strings.HasPrefix(v.Names[0].Name, "Err") || len(v.Values) != 1 {
				continue
			}
			call, ok := v.Values[0].(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				continue
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				continue
			}
			doc := v.Doc.Text()
			if doc == "" {
				doc = group.Doc.Text()
			}
			doc = strings.TrimPrefix(strings.Join(strings.Fields(doc), " "), v.Names[0].Name)
			doc = brackets.ReplaceAllString(strings.TrimLeft(doc, ": "), "`$1`")
			all = append(all, sentinel{pkg + "." + v.Names[0].Name, text, doc})
		}
	}
	return all
}

const errorsIntro = `# Errors

Written by a test from the functions in SQL and the packages in Go.

Programs print an error with what can be done about it, and nothing else on stderr:

    londiste: error: …
    hint: …

Their exit status is 1, or 2 for wrong usage, a mistake in the ini file, and where a question could not be
answered. A daemon logs an error and tries again after a while that grows, unless trying
again cannot help: a wrong password, a database that is not there, a bad ini file.

## Of the Go packages

For ` + "`errors.Is`" + `. One that the server raised is a ` + "`*pgconn.PgError`" + ` besides, with the
server's text.

| error | text | meaning |
|---|---|---|
`

const errorsOfSQL = `
## Of the functions in the database

By SQLSTATE; % stands for a name or a number. Texts that PgQ has are PgQ's. An error without advice is one of a
call that cannot be right, or tells itself what to do.

| SQLSTATE | text | what to do | raised by |
|---|---|---|---|
`

// TestErrorsAreCurrent keeps docs/errors.md: UPDATE=1 writes it.
func TestErrorsAreCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString(errorsIntro)
	for _, pkg := range []string{"pgq", "londiste", "router"} {
		for _, file := range projectFiles(t, ".go") {
			if path.Dir(file) != pkg || strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sentinelsOf(pkg, f) {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, inTable(s.text), inTable(s.doc))
			}
		}
	}
	b.WriteString(errorsOfSQL)
	for _, r := range allRaises(t) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.state, inTable(r.text), inTable(r.hint), r.function)
	}
	const page = "docs/errors.md"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != b.String() {
		t.Errorf("%s is not current (%v): UPDATE=1 go test . -run Errors writes it", page, err)
	}
}

// allRaises are the exceptions of all functions, by state and text; one text
// of several functions is one.
func allRaises(t *testing.T) []exception {
	t.Helper()
	var all []exception
	for _, file := range projectFiles(t, ".sql") {
		if !strings.HasPrefix(file, "schema/") || path.Base(path.Dir(file)) != "functions" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found, err := raisesOf(file, string(text))
		if err != nil {
			t.Error(err)
		}
		all = append(all, found...)
	}
	if len(all) < 100 {
		t.Errorf("only %d exceptions were found", len(all))
	}
	slices.SortStableFunc(all, func(a, b exception) int {
		return strings.Compare(a.state+a.text+a.hint, b.state+b.text+b.hint)
	})
	var merged []exception
	for _, r := range all {
		if n := len(merged) - 1; n >= 0 && merged[n].state == r.state && merged[n].text == r.text && merged[n].hint == r.hint {
			if !strings.HasSuffix(merged[n].function, r.function) {
				merged[n].function += ", " + r.function
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

var tableMarks = regexp.MustCompile(`[<>*|]`)

func inTable(s string) string { return tableMarks.ReplaceAllString(s, `\$0`) }
