package schema

import (
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// interfaceSQL describes what others build on, one object a line: relations,
// columns, indexes and functions of the three schemas that are upstream's, and
// who may use them.
const interfaceSQL = `
select format('%s %s.%s acl %s', case relkind when 'r' then 'table' else 'sequence' end, nspname, relname, replace(relacl::text, 'arwdDxtm', 'arwdDxt')) -- m came with 17
from pg_class c join pg_namespace n on n.oid = relnamespace
where nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste') and relkind in ('r', 'S')
union all
select format('column %s.%s.%s %s %s%s default %s', nspname, relname, lpad(attnum::text, 2, '0'), attname, format_type(atttypid, atttypmod),
	case when attnotnull then ' not null' else '' end, pg_get_expr(adbin, adrelid))
from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
left join pg_attrdef on adrelid = attrelid and adnum = attnum
where nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste') and relkind = 'r' and attnum > 0 and not attisdropped
union all
select 'index ' || pg_get_indexdef(indexrelid)
from pg_index join pg_class c on c.oid = indrelid join pg_namespace n on n.oid = relnamespace
where nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste')
union all
select format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(k.oid))
from pg_constraint k join pg_namespace n on n.oid = connamespace
where nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste') and contype <> 'n' -- those of NOT NULL, which 18 lists
union all
select format('function %s.%s(%s) returns %s %s%s%s set %s acl %s', nspname, proname, pg_get_function_arguments(p.oid),
	pg_get_function_result(p.oid), case provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end,
	case when proisstrict then ' strict' else '' end, case when prosecdef then ' security definer' else '' end, proconfig, proacl)
from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste')
order by 1`

// withRoles is the other server, where the queue's roles exist.
func withRoles(t *testing.T) *pgserver.Server {
	t.Helper()
	s := pgtest.Second(t)
	_, err := pgtest.Admin(t, s, "postgres").Exec(t.Context(), `do $$ begin
		if to_regrole('pgq_admin') is null then
			create role pgq_reader; create role pgq_writer; create role pgq_admin in role pgq_reader, pgq_writer;
		end if; end $$`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInterface(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, withRoles(t), setup))
	if _, err := conn.Exec(t.Context(), `set search_path = pg_catalog`); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/interface.golden", strings.Join(pgtest.Column[string](t, conn, interfaceSQL), "\n")+"\n")
}

// TestSameInterfaceAsExtension compares the catalogue of schema pgq, with a
// queue made, to that of the real extension.
func TestSameInterfaceAsExtension(t *testing.T) {
	s := withRoles(t)
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	read := func(dsn string) []string {
		conn := pgtest.Connect(t, dsn)
		pgtest.Column[string](t, conn, `select pgq.create_queue('q')::text`)
		return pgtest.Column[string](t, conn, extensionSQL)
	}
	ours, theirs := read(pgtest.Database(t, s, setup)), read(extension(t, s))
	unseen := maps.Clone(catalogDifferences)
	only := func(side string, these, others []string) {
		for _, line := range these {
			if slices.Contains(others, line) {
				continue
			}
			key := side + ": " + line
			delete(unseen, key)
			if catalogDifferences[key] == "" {
				t.Errorf("unlisted difference, only in the %s", key)
			}
		}
	}
	if len(theirs) < 200 {
		t.Fatalf("only %d lines describe the extension", len(theirs))
	}
	only("extension", theirs, ours)
	only("schema", ours, theirs)
	for key := range unseen {
		t.Errorf("listed difference does not show: %s", key)
	}
}

// allowed are findings of plpgsql_check that are no faults.
var allowed = []*regexp.Regexp{
	// It returns what a query built at run time gives.
	regexp.MustCompile(`(?s)^(?:pgq\.get_batch_events\(bigint\)|skytools\.get_part_events\(bigint,integer\)): warning extra:00000:OUT variable "ev_\w+" is maybe unmodified`),
	// An empty array, written '{}'.
	regexp.MustCompile(`(?s)warning:42804:.*cast "text" value to "text\[\]" type`),
}

func TestPlpgsqlCheck(t *testing.T) {
	s := pgtest.Server(t)
	pgtest.RequireExtension(t, s, "plpgsql_check", "apt install postgresql-15-plpgsql-check")
	name := pgtest.DBName(t, pgtest.Database(t, s, setup))
	admin := pgtest.Admin(t, s, name)
	if _, err := admin.Exec(t.Context(), `create extension plpgsql_check`); err != nil {
		t.Fatal(err)
	}
	checked := pgtest.Column[string](t, admin, `select p.oid::regprocedure::text from pg_proc p join pg_language l on l.oid = prolang
		where l.lanname = 'plpgsql' and prorettype <> 'trigger'::regtype
			and pronamespace in ('pgq'::regnamespace, 'pgq_node'::regnamespace, 'pgq_coop'::regnamespace, 'pgq_ext'::regnamespace, 'londiste'::regnamespace, 'skytools'::regnamespace)`)
	if len(checked) < 50 {
		t.Fatalf("only %d functions found", len(checked))
	}
	for _, fn := range checked {
		var findings []string
		for _, line := range pgtest.Column[string](t, admin, `select plpgsql_check_function($1::regprocedure, fatal_errors := false, extra_warnings := true)`, fn) {
			if strings.HasPrefix(line, "error") || strings.HasPrefix(line, "warning") {
				findings = append(findings, fn+": ")
			}
			findings[len(findings)-1] += line + "\n"
		}
		for _, finding := range findings {
			if !slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(finding) }) {
				t.Error(finding)
			}
		}
	}
}

// passesOn only calls one function by its full name: see the house's rule.
const passesOn = "pgq.insert_event(text,text,text,text,text,text,text)"

// TestHouseRules holds what the files of functions promise.
func TestHouseRules(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	const ours = ` from pg_proc p where pronamespace in ('pgq'::regnamespace, 'pgq_node'::regnamespace, 'pgq_coop'::regnamespace, 'pgq_ext'::regnamespace, 'londiste'::regnamespace, 'skytools'::regnamespace)`
	for _, fn := range pgtest.Column[string](t, conn, `select oid::regprocedure::text`+ours+` and obj_description(oid, 'pg_proc') is null`) {
		t.Errorf("%s has no comment", fn)
	}
	for _, fn := range pgtest.Column[string](t, conn, `select oid::regprocedure::text`+ours+` and prosecdef and not coalesce(proconfig, '{}') @> array['search_path=pg_catalog, pgq, pg_temp']`) {
		if fn != passesOn {
			t.Errorf("%s is security definer and does not pin search_path", fn)
		}
	}
	files, err := load(tree)
	if err != nil {
		t.Fatal(err)
	}
	raise := regexp.MustCompile(`(?is)\braise\s+(exception|warning)\b.*?;\n`)
	for _, f := range files.Functions {
		if lines := strings.Count(f.Text, "\n"); lines > 120 {
			t.Errorf("%s has %d lines, 120 is the most", f.Path, lines)
		}
		for _, statement := range raise.FindAllString(f.Text, -1) {
			if !strings.Contains(statement, "errcode") || !strings.Contains(statement, "hint") {
				t.Errorf("%s: raise without errcode or hint: %s", f.Path, statement)
			}
		}
		base := strings.TrimSuffix(f.Path[strings.LastIndex(f.Path, "/")+1:], ".sql")
		for _, m := range regexp.MustCompile(`(?m)^create or replace function (\w+\.\w+)\(`).FindAllStringSubmatch(f.Text, -1) {
			if m[1] != f.component()+"."+base {
				t.Errorf("%s makes %s: one function name, one file of that name", f.Path, m[1])
			}
		}
	}
}

// TestPrint runs the printed SQL with psql, twice, and wants the catalogue
// that Install makes.
func TestPrint(t *testing.T) {
	s := pgtest.Server(t)
	script := t.TempDir() + "/install.sql"
	out, err := os.Create(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := Print(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	printed := pgtest.Database(t, s, nil)
	for range 2 {
		if text := psql(t, printed, script); strings.Contains(text, "ERROR") {
			t.Fatal(text)
		}
	}
	want := pgtest.CatalogFingerprint(t, pgtest.Database(t, s, setup))
	if got := pgtest.CatalogFingerprint(t, printed); got != want {
		t.Error("printed SQL makes another catalogue than Install")
	}
	conn := pgtest.Connect(t, printed)
	report, err := Install(context.WithoutCancel(t.Context()), conn, Options{})
	if err != nil || report.Changed() {
		t.Errorf("install after the printed SQL: %+v, %v", report, err)
	}
}
