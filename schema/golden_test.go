package schema

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

var update = flag.Bool("update", false, "write the golden files")

func setup(ctx context.Context, conn *pgx.Conn) error {
	_, err := Install(ctx, conn, Options{})
	return err
}

// psql runs a script and returns what it prints, each statement before its
// results and errors.
func psql(t *testing.T, dsn, script string) string {
	t.Helper()
	tool := pgtest.RequireTool(t, "psql", "apt install postgresql-client")
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "--no-psqlrc", "--echo-queries", "--dbname", dsn)
	cmd.Env = append(os.Environ(), "PGOPTIONS=-c timezone=UTC -c client_min_messages=notice", "PGCLIENTENCODING=UTF8")
	cmd.Stdin = strings.NewReader("\\set VERBOSITY terse\n\\pset pager off\n" + string(text))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out.String())
	}
	return out.String()
}

func scripts(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(found) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	return found
}

func TestGolden(t *testing.T) {
	for _, script := range scripts(t) {
		t.Run(filepath.Base(script), func(t *testing.T) {
			golden(t, strings.TrimSuffix(script, ".sql")+".out",
				psql(t, installed(t, pgtest.Server(t), script), script))
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); go test ./schema -update writes it:\n%s", path, diff)
	}
}

// TestAgainstExtension runs the queue's scripts in the real extension and
// compares statement by statement. What differs stands in the list of
// differences, each with its reason; an entry that does not differ any more is
// an error too.
func TestAgainstExtension(t *testing.T) {
	s := withRoles(t)
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	seen := map[string]bool{}
	for _, script := range scripts(t) {
		if !strings.HasPrefix(filepath.Base(script), "pgq_") || filepath.Base(script) == "pgq_node.sql" {
			continue
		}
		t.Run(filepath.Base(script), func(t *testing.T) {
			compareOutput(t, filepath.Base(script), psql(t, installed(t, s, script), script),
				psql(t, extension(t, s), script), seen)
		})
	}
	for key := range differences {
		if !seen[key] && !t.Failed() {
			t.Errorf("listed difference does not show: %s", key)
		}
	}
}

// TestSameRightsAsExtension runs a script of all the queue's roles in both.
func TestSameRightsAsExtension(t *testing.T) {
	s := withRoles(t)
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	const script = "testdata/roles/pgq.sql"
	ours := s.DSN(pgtest.DBName(t, pgtest.Database(t, s, setup)), "postgres")
	compareOutput(t, "roles/pgq.sql", psql(t, ours, script), psql(t, extension(t, s), script), map[string]bool{})
}

// TestCoopRights: there is no package of pgq_coop and pgq_ext to compare with.
func TestCoopRights(t *testing.T) {
	s := withRoles(t)
	dsn := s.DSN(pgtest.DBName(t, pgtest.Database(t, s, setup)), "postgres")
	golden(t, "testdata/roles/coop.out", psql(t, dsn, "testdata/roles/coop.sql"))
}

func compareOutput(t *testing.T, script, ours, theirs string, seen map[string]bool) {
	t.Helper()
	got, want := blocks(ours), blocks(theirs)
	if len(got) != len(want) {
		t.Fatalf("%d statements here, %d in the extension", len(got), len(want))
	}
	for i := range got {
		compareBlock(t, script, got[i], want[i], seen)
	}
}

func compareBlock(t *testing.T, script, got, want string, seen map[string]bool) {
	t.Helper()
	if got == want {
		return
	}
	statement, _, _ := strings.Cut(got, "\n")
	key := script + ": " + statement
	if _, known := differences[key]; known {
		seen[key] = true
		return
	}
	t.Errorf("%s: unlisted difference (-extension +ours):\n%s", key, cmp.Diff(want, got))
}

// blocks cuts psql's output at the echoed statements.
func blocks(out string) []string {
	starts := []string{"select ", "update ", "insert ", "delete ", "begin;", "rollback", "commit;", "savepoint ", "fetch ", "create ", "do ", "set role", "reset "}
	var all []string
	for line := range strings.Lines(out) {
		begins := slices.ContainsFunc(starts, func(s string) bool { return strings.HasPrefix(line, s) })
		if begins || len(all) == 0 {
			all = append(all, "")
		}
		all[len(all)-1] += line
	}
	return all
}

// installed makes a database with our pgq. Scripts run as its owner, but for the
// one that changes what only a superuser may.
func installed(t *testing.T, s *pgserver.Server, script string) string {
	t.Helper()
	dsn := pgtest.Database(t, s, setup)
	if filepath.Base(script) == "pgq_triga_session.sql" {
		return s.DSN(pgtest.DBName(t, dsn), "postgres")
	}
	return dsn
}

// extension makes a database with the real pgq, as a superuser must.
func extension(t *testing.T, s *pgserver.Server) string {
	t.Helper()
	name := pgtest.DBName(t, pgtest.Database(t, s, nil))
	if _, err := pgtest.Admin(t, s, name).Exec(t.Context(), `create extension pgq`); err != nil {
		t.Fatal(err)
	}
	return s.DSN(name, "postgres")
}
