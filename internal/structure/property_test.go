package structure_test

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/structure"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rolesSQL are the roles of the random tables, on each server.
const rolesSQL = `do $$ begin
	create role struct_reader; create role "Struct Writer"; create role struct_owner;
	grant struct_owner to app; grant create on database postgres to app;
exception when duplicate_object then null; end $$`

func database(t *testing.T, s *pgserver.Server) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	admin := pgtest.Admin(t, s, "postgres")
	if _, err := admin.Exec(ctx, rolesSQL); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, pgtest.Database(t, s, nil))
	exec1(t, conn, functionsSQL)
	exec1(t, conn, `grant create on schema public to struct_owner`)
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) names() []ident.Name {
	var all []ident.Name
	for _, t := range w.tables {
		all = append(all, t.name)
	}
	return all
}

// build runs the statements; some of them mean nothing for the table they met.
func (w *world) build(conn *pgx.Conn) (failed int) {
	for _, sql := range w.sql {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			failed++
		}
	}
	// What no table needs is not copied.
	for _, object := range slices.Backward(w.objects) {
		_, _ = conn.Exec(context.Background(), "drop "+object+" restrict")
	}
	return failed
}

// differences compares the tables of two ends in full.
func differences(t *testing.T, prov, sub *pgx.Conn, names []ident.Name) []structure.Difference {
	t.Helper()
	ctx := context.Background()
	p, err := structure.Read(ctx, prov, names, nil)
	if err != nil {
		t.Fatalf("provider: %v", err)
	}
	s, err := structure.ReadTarget(ctx, sub, p)
	if err != nil {
		t.Fatalf("subscriber: %v", err)
	}
	return structure.Compare(p, s, structure.Options{})
}

func texts(found []structure.Difference) string {
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintln(&b, d.Text)
		for _, s := range d.SQL {
			fmt.Fprintln(&b, "    "+s)
		}
	}
	return b.String()
}

// mend runs the statements as psql would: each by itself.
func mend(t *testing.T, conn *pgx.Conn, found []structure.Difference) {
	t.Helper()
	exec1(t, conn, "set search_path = pg_catalog")
	for _, s := range structure.Statements(found) {
		if _, err := conn.Exec(context.Background(), s.SQL); err != nil {
			t.Fatalf("%s\n: %v\nof\n%s", s.SQL, err, texts(found))
		}
	}
	exec1(t, conn, "reset search_path")
}

// dump is what pg_dump says of a database; "" of a server newer than it,
// which it refuses.
func dump(t *testing.T, conn *pgx.Conn, args ...string) string {
	t.Helper()
	program := pgtest.RequireTool(t, "pg_dump", "Debian: apt-get install postgresql-client")
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var major int
	if _, err := fmt.Sscanf(string(version), "pg_dump (PostgreSQL) %d", &major); err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	if serverMajor(t, conn) > major {
		return ""
	}
	c := conn.Config()
	cmd := exec.Command(program, append([]string{"-s", "-h", c.Host, "-p", fmt.Sprint(c.Port), "-U", pgserver.Superuser, c.Database}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	text := restrict.ReplaceAllString(string(out), "")
	// Privileges come in the order in which they were given.
	return grants.ReplaceAllStringFunc(text, func(run string) string {
		lines := strings.SplitAfter(run, "\n")
		slices.Sort(lines)
		return strings.Join(lines, "")
	})
}

var grants = regexp.MustCompile(`(?m)(^GRANT .*;\n)+`)

// restrict is pg_dump's random word against injected commands.
var restrict = regexp.MustCompile(`(?m)^\\(un)?restrict .*$`)

func serverMajor(t *testing.T, conn *pgx.Conn) (major int) {
	t.Helper()
	err := conn.QueryRow(context.Background(), "select current_setting('server_version_num')::int / 10000").Scan(&major)
	if err != nil {
		t.Fatal(err)
	}
	return major
}

func seeds(quick, long int) int {
	if pgtest.Long() {
		return long
	}
	return quick
}

// A copy of random tables' structure is one that pg_dump cannot tell from
// them, with types, sequences, comments and privileges.
func TestCopiedStructureIsTheSame(t *testing.T) {
	for seed := range seeds(4, 100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server := pgtest.Server(t)
			prov, sub := database(t, server), database(t, server)
			w := newWorld(uint64(seed), server.Programs().Major)
			if failed := w.build(prov); failed > len(w.sql)/4 {
				t.Fatalf("%d of %d random statements failed", failed, len(w.sql))
			}
			found := differences(t, prov, sub, w.names())
			mend(t, sub, found)
			if left := differences(t, prov, sub, w.names()); len(left) > 0 {
				t.Errorf("after the statements there is left:\n%s", texts(left))
			}
			if diff := firstDifference(structure.Canonical(dump(t, prov)), structure.Canonical(dump(t, sub))); diff != "" {
				t.Errorf("pg_dump tells them apart: %s\nmade by\n%s", diff, texts(found))
			}
		})
	}
}

// firstDifference shows the first line in which two texts differ, with what
// is around it.
func firstDifference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(la), len(lb)) {
		if i >= len(la) || i >= len(lb) || la[i] != lb[i] {
			around := func(l []string) string {
				from, to := min(max(i-6, 0), len(l)), min(i+4, len(l))
				return strings.Join(l[from:to], "\n")
			}
			return fmt.Sprintf("line %d\n--- provider\n%s\n--- subscriber\n%s", i+1, around(la), around(lb))
		}
	}
	return ""
}

type structureDifference = structure.Difference

func canonicalDump(s string) string { return structure.Canonical(s) }

// try is mend, with the first error told.
func try(conn *pgx.Conn, found []structure.Difference) error {
	ctx := context.Background()
	_, err := conn.Exec(ctx, "set search_path = pg_catalog")
	for _, s := range structure.Statements(found) {
		if err == nil {
			if _, err = conn.Exec(ctx, s.SQL); err != nil {
				err = fmt.Errorf("%s: %w", s.SQL, err)
			}
		}
	}
	_, _ = conn.Exec(ctx, "reset search_path")
	return err
}
