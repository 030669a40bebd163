package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// edited is a copy of the tree with some files other or, if "", gone.
func edited(t *testing.T, edits map[string]string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, path)
		all[path] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range edits {
		if text == "" {
			delete(all, path)
		} else {
			all[path] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return all
}

func mustInstall(t *testing.T, conn *pgx.Conn, files fs.FS) Report {
	t.Helper()
	report, err := install(t.Context(), conn, files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func wantRefusal(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || hint.Of(err) == "" {
		t.Fatalf("got %v (hint %q), want an error with %q and a hint", err, hint.Of(err), text)
	}
}

func TestInstallTwice(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	conn := pgtest.Connect(t, dsn)
	if v, err := Version(t.Context(), conn); v != 0 || err != nil {
		t.Fatalf("version of an empty database: %d, %v", v, err)
	}
	first := mustInstall(t, conn, tree)
	if !first.Changed() || first.Before != 0 || first.Version != Number || first.Lines()[0] != "Installing pgq" {
		t.Fatalf("first install: %+v", first)
	}
	if got := strings.Join(first.MissingRoles, " "); got != "pgq_reader pgq_writer pgq_admin" || len(first.RoleSQL) != 3 {
		t.Fatalf("roles: %+v", first)
	}
	before := pgtest.CatalogFingerprint(t, dsn)
	xid := pgtest.Column[string](t, conn, `select pg_snapshot_xmax(pg_current_snapshot())::text`)
	second := mustInstall(t, conn, tree)
	if second.Changed() || second.Before != Number || second.Lines()[0] != "pgq is installed" {
		t.Fatalf("second install: %+v", second)
	}
	if pgtest.CatalogFingerprint(t, dsn) != before {
		t.Error("second install changed the catalogue")
	}
	// No row is younger than the moment before.
	if wrote := pgtest.Column[string](t, conn, `select xmin::text from pg_class where relnamespace in ('pgq'::regnamespace, 'skytools'::regnamespace)
		and age(xmin) < age($1::text::xid) union all
		select xmin::text from skytools.installation where age(xmin) < age($1::text::xid)`, xid[0]); len(wrote) > 0 {
		t.Errorf("second install wrote: %v", wrote)
	}
	if v, err := Version(t.Context(), conn); v != Number || err != nil {
		t.Fatalf("version: %d, %v", v, err)
	}
	want := []string{"3", "3.5.3"}
	if got := pgtest.Column[string](t, conn, `select skytools.version() union all select pgq.version()`); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("versions in SQL: %v, want %v for Number %d", got, want, Number)
	}
}

func TestInstallManyAtOnce(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	var done sync.WaitGroup
	first := make(chan bool, 4)
	for range 4 {
		conn := pgtest.Connect(t, dsn)
		done.Go(func() {
			report, err := Install(t.Context(), conn, Options{})
			if err != nil {
				t.Error(err)
			}
			first <- report.Before == 0
		})
	}
	done.Wait()
	close(first)
	made := 0
	for yes := range first {
		if yes {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d installs found the database empty, want 1", made)
	}
}

func TestFunctionsFollowTheirFiles(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), nil))
	const path = "pgq/functions/thing.sql"
	thing := func(result string) string {
		return "create or replace function pgq.thing(a int) returns " + result + " language sql as $$ select 1::" + result + " $$;\n"
	}
	other := "create or replace function pgq.thing(a text) returns int language sql as $$ select 2 $$;\n"
	mustInstall(t, conn, edited(t, map[string]string{path: thing("int") + other}))

	r := mustInstall(t, conn, edited(t, map[string]string{path: thing("int")}))
	if strings.Join(r.Dropped, " ") != "pgq.thing(text)" || strings.Join(r.Replaced, " ") != path {
		t.Fatalf("an overload went: %+v", r)
	}
	if lines := r.Lines(); lines[0] != "Upgrading pgq" || lines[4] != "londiste is installed" {
		t.Errorf("lines: %q", lines)
	}
	mustInstall(t, conn, edited(t, map[string]string{path: thing("bigint")}))
	if got := pgtest.Column[string](t, conn, `select pg_typeof(pgq.thing(1))::text`); got[0] != "bigint" {
		t.Errorf("result type is %v", got)
	}
	if _, err := conn.Exec(t.Context(), `drop function pgq.thing(int)`); err != nil {
		t.Fatal(err)
	}
	if r = mustInstall(t, conn, edited(t, map[string]string{path: thing("bigint")})); strings.Join(r.Replaced, " ") != path {
		t.Errorf("a function dropped by hand is not made again: %+v", r)
	}
	if r = mustInstall(t, conn, tree); strings.Join(r.Dropped, " ") != "pgq.thing(integer)" {
		t.Errorf("the file went: %+v", r)
	}
	_, err := install(t.Context(), conn, edited(t, map[string]string{path: "-- one\ncreate nonsense;\n"}), Options{})
	if err == nil || !strings.Contains(err.Error(), path+":2:") {
		t.Errorf("a file with an error: %v", err)
	}
	if mustInstall(t, conn, tree).Changed() {
		t.Error("a failed install left something")
	}
}

func TestStructureMovesForward(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), nil))
	mustInstall(t, conn, tree)
	const next = "pgq/tables/999_next.sql"
	r := mustInstall(t, conn, edited(t, map[string]string{next: "create table pgq.next (a int);\ncreate index on pgq.next (a);\n"}))
	if strings.Join(r.Applied, " ") != next {
		t.Fatalf("a new structure file: %+v", r)
	}
	_, err := install(t.Context(), conn, edited(t, map[string]string{next: "create table pgq.next (b int);\n"}), Options{})
	wantRefusal(t, err, next)
	if _, err = conn.Exec(t.Context(), `update skytools.installation set version = $1`, Number+1); err != nil {
		t.Fatal(err)
	}
	_, err = Install(t.Context(), conn, Options{})
	wantRefusal(t, err, fmt.Sprintf("holds version %d of the schemas, this program has version %d", Number+1, Number))
}

// TestSchemasComeLater: a database of the time before pgq_coop and pgq_ext.
func TestSchemasComeLater(t *testing.T) {
	s := pgtest.Server(t)
	dsn := pgtest.Database(t, s, setup)
	conn := pgtest.Connect(t, dsn)
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	want := pgtest.CatalogFingerprint(t, dsn)
	before := func(sql string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), `drop schema if exists pgq_coop, pgq_ext cascade;
			delete from skytools.routine where file ~ '^pgq_(coop|ext)/';
			delete from skytools.migration where file ~ '^pgq_(coop|ext)/';
			update skytools.installation set grants_sum = ''; `+sql)
		if err != nil {
			t.Fatal(err)
		}
	}
	before(`create schema pgq_ext; create table pgq_ext.completed_tick (a int)`)
	_, err := Install(t.Context(), conn, Options{})
	wantRefusal(t, err, "schema pgq_ext exists already")

	owner := func(role string) string {
		return `alter database ` + pgx.Identifier{pgtest.DBName(t, dsn)}.Sanitize() + ` owner to ` + role
	}
	before(owner("postgres"))
	_, err = Install(t.Context(), conn, Options{})
	wantRefusal(t, err, "may not create schemas")

	before(owner("app"))
	if r := mustInstall(t, conn, tree); !r.touched("pgq_coop") || !r.touched("pgq_ext") || r.touched("pgq_node") {
		t.Errorf("install: %+v", r)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(pgtest.CatalogFingerprint(t, dsn), "\n")); diff != "" {
		t.Errorf("schemas that came later are not those of a new database: %s", diff)
	}
	// With all schemas there, the right to make some is not needed.
	if _, err := admin.Exec(t.Context(), owner("postgres")); err != nil {
		t.Fatal(err)
	}
	if mustInstall(t, conn, tree).Changed() {
		t.Error("an install with nothing to do changed something")
	}
}

func TestRefusals(t *testing.T) {
	s := pgtest.Server(t)
	for _, c := range []struct{ name, before, want string }{
		{"Skytools 2.1", `create schema londiste; create table londiste.provider_table (a int)`, "londiste tables of Skytools 2.1"},
		{"somebody's schema", `create schema pgq`, "schema pgq exists already"},
		{"no right", ``, "may not create schemas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := pgtest.Database(t, s, nil)
			conn := pgtest.Connect(t, dsn)
			if c.before == "" { // the database belongs to another role
				name := pgtest.DBName(t, dsn)
				admin := pgtest.Admin(t, s, name)
				if _, err := admin.Exec(t.Context(), `alter database `+pgx.Identifier{name}.Sanitize()+` owner to postgres`); err != nil {
					t.Fatal(err)
				}
			} else if _, err := conn.Exec(t.Context(), c.before); err != nil {
				t.Fatal(err)
			}
			before := pgtest.CatalogFingerprint(t, dsn)
			_, err := Install(t.Context(), conn, Options{})
			wantRefusal(t, err, c.want)
			if pgtest.CatalogFingerprint(t, dsn) != before {
				t.Error("the refused install left something behind")
			}
		})
	}
}

// TestGrantsFollowRoles: installed without the roles, the database gets its
// grants, event tables included, at the install after they were made.
func TestGrantsFollowRoles(t *testing.T) {
	s := pgtest.Own(t, pgserver.Options{})
	dsn := pgtest.Database(t, s, nil)
	conn := pgtest.Connect(t, dsn)
	first := mustInstall(t, conn, tree)
	if _, err := conn.Exec(t.Context(), `select pgq.create_queue('q')`); err != nil {
		t.Fatal(err)
	}
	admin := pgtest.Admin(t, s, pgtest.DBName(t, dsn))
	for _, statement := range first.RoleSQL {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	r := mustInstall(t, conn, tree)
	if !r.Granted || len(r.Replaced) > 0 || len(r.MissingRoles) > 0 {
		t.Fatalf("install after the roles: %+v", r)
	}
	got := pgtest.Column[string](t, conn, `select format('%s %s %s %s', has_table_privilege('pgq_reader', 'pgq.event_1_0', 'select'),
		has_function_privilege('pgq_reader', 'pgq.next_batch(text, text)', 'execute'),
		has_function_privilege('pgq_writer', 'pgq.next_batch(text, text)', 'execute'),
		pg_has_role('pgq_admin', 'pgq_writer', 'member'))`)
	if got[0] != "t t f t" {
		t.Errorf("rights: %v", got)
	}
	if mustInstall(t, conn, tree).Changed() {
		t.Error("a third install changes something")
	}
}

// TestMakesRolesItself: with CREATEROLE the installer makes them, and two
// databases of one cluster may do so at once.
func TestMakesRolesItself(t *testing.T) {
	s := pgtest.Own(t, pgserver.Options{})
	dsns := []string{pgtest.Database(t, s, nil), pgtest.Database(t, s, nil), pgtest.Database(t, s, nil)}
	if _, err := pgtest.Admin(t, s, "postgres").Exec(t.Context(), `alter role app createrole`); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	for _, dsn := range dsns {
		conn := pgtest.Connect(t, dsn)
		done.Go(func() {
			report, err := Install(t.Context(), conn, Options{})
			if err != nil || len(report.MissingRoles) > 0 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
	done.Wait()
	conn := pgtest.Connect(t, dsns[0])
	if got := pgtest.Column[string](t, conn, `select pg_has_role('pgq_admin', 'pgq_reader', 'member')::text`); got[0] != "true" {
		t.Error("pgq_admin is no member of pgq_reader")
	}
}

// TestUpgradeKeepsTheOwner: what a superuser, or a member of the owner,
// upgrades stays the owner's; a superuser's functions with the owner's rights
// would be a superuser's.
func TestUpgradeKeepsTheOwner(t *testing.T) {
	s := pgtest.Server(t)
	dsn := pgtest.Database(t, s, setup)
	name := pgtest.DBName(t, dsn)
	admin := pgtest.Admin(t, s, name)
	files := edited(t, map[string]string{
		"skytools/functions/thing.sql":  "create function skytools.thing() returns int language sql security definer as 'select 1';\n",
		"skytools/tables/999_thing.sql": "create table skytools.thing (a int);\n",
	})
	if r := mustInstall(t, admin, files); len(r.Applied) != 1 || len(r.Replaced) != 1 {
		t.Fatalf("upgrade: %+v", r)
	}
	for _, other := range pgtest.Column[string](t, admin, `
		select p.oid::regprocedure::text from pg_proc p where pronamespace = 'skytools'::regnamespace and proowner <> 'app'::regrole
		union all
		select oid::regclass::text from pg_class where relnamespace = 'skytools'::regnamespace and relowner <> 'app'::regrole`) {
		t.Errorf("%s is not the owner's", other)
	}
	if _, err := admin.Exec(t.Context(), `create role stranger login; grant create on database `+pgx.Identifier{name}.Sanitize()+` to stranger`); err != nil {
		t.Fatal(err)
	}
	_, err := Install(t.Context(), pgtest.Connect(t, s.DSN(name, "stranger")), Options{})
	wantRefusal(t, err, `belong to role "app"`)
}

func TestInstallFailpoints(t *testing.T) {
	t.Cleanup(func() { _ = failpoint.Arm("") })
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), nil))
	for _, side := range []string{"before", "after"} {
		if err := failpoint.Arm("install." + side + "-commit=error"); err != nil {
			t.Fatal(err)
		}
		if _, err := Install(t.Context(), conn, Options{}); !errors.Is(err, failpoint.ErrInjected) {
			t.Fatalf("%s: %v", side, err)
		}
		v, err := Version(t.Context(), conn)
		if err != nil || (v == Number) != (side == "after") {
			t.Errorf("%s the commit the version is %d, %v", side, v, err)
		}
	}
}

func TestPrintIsOneTransaction(t *testing.T) {
	var out bytes.Buffer
	if err := Print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Count(text, "\nbegin transaction") != 1 || !strings.HasSuffix(text, "\ncommit;\n") {
		t.Error("not one transaction")
	}
}
