package skytools

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	createFunction = regexp.MustCompile(`(?is)\bcreate\s+or\s+replace\s+(?:function|procedure)\s+([a-z_0-9]+)\.([a-z_0-9]+)\s*\(`)
	commentOn      = regexp.MustCompile(`(?is)\bcomment\s+on\s+(?:function|procedure)\s+([a-z_0-9]+)\.([a-z_0-9]+)\s*\(`)
	definer        = regexp.MustCompile(`(?is)\bsecurity\s+definer\b`)
	searchPath     = regexp.MustCompile(`(?is)\bset\s+search_path\s*(?:=|to)\s*pg_catalog\b[^\n]*\bpg_temp\b`)
	// passesOn is a body that only calls one function by its full name with its
	// own arguments: there is nothing that a search path could change.
	passesOn    = regexp.MustCompile(`(?is)^\s*begin\s+return\s+[a-z_]+\.[a-z_]+\((?:\$[0-9]+(?:,\s*)?)*\);\s*end;\s*$`)
	raise       = regexp.MustCompile(`(?is)\braise\s+exception\b[^;]*;`)
	errcode     = regexp.MustCompile(`(?is)\berrcode\s*=`)
	lineComment = regexp.MustCompile(`--[^\n]*`)
	dollarTag   = regexp.MustCompile(`\$[A-Za-z_]*\$`)
)

const medianSQLLines = 60

// sqlFunction is one function of a file: header up to the body, and the body
// with its strings emptied, so that text which a function generates is not
// taken for what it does.
type sqlFunction struct {
	name   string // schema.name
	header string
	body   string
}

// TestSQLFunctions keeps one function name in one file that can be found by
// it, documented in the catalogue, safe and with codes on its errors.
func TestSQLFunctions(t *testing.T) {
	var lines []int
	for _, p := range projectFiles(t, ".sql") {
		if !under(path.Dir(path.Dir(p)), "schema") || path.Base(path.Dir(p)) != "functions" {
			continue
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, bytes.Count(text, []byte("\n")))
		schema := path.Base(path.Dir(path.Dir(p)))
		want := schema + "." + strings.TrimSuffix(path.Base(p), ".sql")
		functions, err := splitFunctions(string(text))
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if len(functions) == 0 {
			t.Errorf("%s: no `create or replace function` in it (functions are replaced at every install)", p)
		}
		for _, f := range functions {
			for _, breach := range f.breaches(want) {
				t.Errorf("%s: %s", p, breach)
			}
		}
		if n := len(commentOn.FindAllString(string(text), -1)); n < len(functions) {
			t.Errorf("%s: %d functions but %d `comment on function` (it is the documentation; docs are made from the catalogue)", p, len(functions), n)
		}
	}
	slices.Sort(lines)
	if median := lines[len(lines)/2]; median >= medianSQLLines {
		t.Errorf("half of the function files have %d lines or more, less than %d is the aim (one function does one thing)", median, medianSQLLines)
	}
}

func (f sqlFunction) breaches(want string) []string {
	var found []string
	if f.name != want {
		found = append(found, fmt.Sprintf("function %s in the file of %s (one function name, one file, found by name)", f.name, want))
	}
	if definer.MatchString(f.header) && !searchPath.MatchString(f.header) && !passesOn.MatchString(f.body) {
		found = append(found, f.name+": security definer without `set search_path = pg_catalog, …, pg_temp` (anybody's object of the same name would run with the owner's rights)")
	}
	for _, r := range raise.FindAllString(f.body, -1) {
		if !errcode.MatchString(r) {
			found = append(found, fmt.Sprintf("%s: no errcode in %q (programs decide by codes, not by texts)", f.name, strings.Join(strings.Fields(r), " ")))
		}
	}
	return found
}

// splitFunctions takes a file apart. Bodies are dollar quoted.
func splitFunctions(text string) ([]sqlFunction, error) {
	var all []sqlFunction
	for {
		at := createFunction.FindStringSubmatchIndex(text)
		if at == nil {
			return all, nil
		}
		f := sqlFunction{name: strings.ToLower(text[at[2]:at[3]] + "." + text[at[4]:at[5]])}
		text = text[at[1]:]
		tag := dollarTag.FindStringIndex(text)
		if tag == nil {
			return nil, fmt.Errorf("%s: no dollar quoted body", f.name)
		}
		quote := text[tag[0]:tag[1]]
		f.header = lineComment.ReplaceAllString(text[:tag[0]], "")
		body, rest, ok := strings.Cut(text[tag[1]:], quote)
		if !ok {
			return nil, fmt.Errorf("%s: the body does not end with %s", f.name, quote)
		}
		// What follows the body up to the semicolon belongs to the header:
		// `$$ language plpgsql security definer`.
		tail, _, _ := strings.Cut(rest, ";")
		f.header += " " + lineComment.ReplaceAllString(tail, "")
		f.body = emptyStrings(body)
		all = append(all, f)
		text = rest
	}
}

// aliasCompared is an oid compared with a regclass or its like. pg_catalog has
// no operator for just these two, so that one in public is called in its place.
var aliasCompared = regexp.MustCompile(`(?:<>|=)\s*(?:to_reg[a-z]+\((?:[^()]|\([^()]*\))*\)|'[^']*'::reg[a-z]+)(::oid)?`)

func comparesAlias(text string) (statement string) {
	for _, m := range aliasCompared.FindAllStringSubmatch(text, -1) {
		if m[1] == "" {
			return m[0]
		}
	}
	return ""
}

// TestComparesOIDs: programs run their statements under the search path of
// their role, who may be a superuser, in databases where others write to public.
func TestComparesOIDs(t *testing.T) {
	for text, breach := range map[string]bool{
		"oid = to_regclass($1)": true, "a <> to_regclass(x || to_hex(1)) and": true, "c = 'pg_class'::regclass": true,
		"oid = to_regclass($1)::oid": false, "c = 'pg_class'::regclass::oid": false,
	} {
		if (comparesAlias(text) != "") != breach {
			t.Errorf("%q: taken for a breach: %v", text, !breach)
		}
	}
	for _, s := range goSources(t) {
		if s.isTest() || under(s.dir(), "schema", "internal/pgtest", "internal/pgserver", "bench", "test") {
			continue // installs set their path; the others have servers of their own
		}
		text, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if found := comparesAlias(string(text)); found != "" {
			t.Errorf("%s: %s (somebody's operator in public would run with the rights of the program's role: compare with ::oid)", s.path, found)
		}
	}
}

// emptyStrings drops comments and the contents of strings from a body.
func emptyStrings(body string) string {
	var out strings.Builder
	for len(body) > 0 {
		switch {
		case strings.HasPrefix(body, "--"):
			_, rest, _ := strings.Cut(body, "\n")
			body = "\n" + rest
		case strings.HasPrefix(body, "/*"):
			_, body, _ = strings.Cut(body, "*/")
		case body[0] == '\'':
			_, body, _ = strings.Cut(body[1:], "'") // a doubled quote is two strings: as good
			out.WriteString("''")
		case body[0] == '$' && dollarTag.MatchString(body) && dollarTag.FindStringIndex(body)[0] == 0:
			tag := dollarTag.FindString(body)
			_, body, _ = strings.Cut(body[len(tag):], tag)
			out.WriteString("''")
		default:
			out.WriteByte(body[0])
			body = body[1:]
		}
	}
	return out.String()
}

// TestSQLRulesBite feeds the rules what they must refuse.
func TestSQLRulesBite(t *testing.T) {
	const good = "create or replace function pgq.f(a int) returns int language plpgsql security definer\n" +
		"set search_path = pg_catalog, pgq, pg_temp as $$ begin\n" +
		"-- raise exception 'in a comment';\n" +
		"x := 'raise exception ''generated'';'; y := $q$ raise exception 'generated'; $q$;\n" +
		"raise exception 'text; %', a using errcode = 'P0002'; end; $$;"
	for _, c := range []struct{ name, text, want string }{
		{"good", good, ""},
		{"name", strings.Replace(good, "pgq.f(", "pgq.g(", 1), "one function name, one file"},
		{"path", strings.Replace(good, "pg_temp", "public", 1), "security definer without"},
		{"passes on", "create or replace function pgq.f(a int) returns int language plpgsql security definer as $$ begin return skytools.g($1, $2); end; $$;", ""},
		{"passes on and more", "create or replace function pgq.f(a int) returns int language plpgsql security definer as $$ begin return skytools.g($1 + 1); end; $$;", "security definer without"},
		{"definer behind the body", "create or replace function pgq.f() returns int as $$ select 1 $$ language sql security definer;", "security definer without"},
		{"errcode", strings.Replace(good, " using errcode = 'P0002'", "", 1), "no errcode"},
	} {
		functions, err := splitFunctions(c.text)
		if err != nil || len(functions) != 1 {
			t.Fatalf("%s: %d functions, %v", c.name, len(functions), err)
		}
		got := strings.Join(functions[0].breaches("pgq.f"), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
