package schema

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// withExtension is a server that has this program's extension in its folder:
// one that is set in extension_control_path, or that of a copy of the server.
func withExtension(t *testing.T) (s *pgserver.Server, folder string) {
	t.Helper()
	top, err := os.MkdirTemp("", "skytools-extension-") // the server's user has no way into t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := pgtest.Server(t).Programs()
	opt := pgserver.Options{Programs: bin}
	share := filepath.Join(top, "share")
	if bin.Major >= 18 {
		opt.Conf = map[string]string{"extension_control_path": share + ":$system"}
	} else {
		opt.Programs.Dir, share = copyServer(t, bin.Dir, top)
	}
	folder = filepath.Join(share, "extension")
	if _, err := WriteExtension(folder); err != nil {
		t.Fatal(err)
	}
	return pgtest.Own(t, opt), folder
}

// copyServer makes a copy of an installed server with links for what is large.
// A server finds its files by where its program lies.
func copyServer(t *testing.T, bin, top string) (newBin, newShare string) {
	t.Helper()
	bin, err := filepath.EvalSymlinks(bin)
	if err != nil {
		t.Fatal(err)
	}
	root, rest, inDebian := strings.Cut(bin, "/lib/postgresql/")
	layout := struct{ root, bin, lib, share string }{filepath.Dir(bin), "bin", "lib", "share/postgresql"}
	if inDebian {
		major := filepath.Dir(rest)
		layout = struct{ root, bin, lib, share string }{root, "lib/postgresql/" + major + "/bin", "lib/postgresql/" + major + "/lib", "share/postgresql/" + major}
	}
	old := func(part string) string { return filepath.Join(layout.root, part) }
	made := func(part string) string { return filepath.Join(top, part) }
	script := fmt.Sprintf(`set -e
		mkdir -p %[2]s %[4]s/extension
		cp -L %[1]s/postgres %[1]s/initdb %[2]s
		ln -s %[5]s %[6]s
		for f in %[3]s/*; do [ "$f" = %[3]s/extension ] || ln -s "$f" %[4]s/; done
		cp %[3]s/extension/plpgsql* %[4]s/extension/`,
		old(layout.bin), made(layout.bin), old(layout.share), made(layout.share), old(layout.lib), made(layout.lib))
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("copy of the server: %v\n%s", err, out)
	}
	return made(layout.bin), made(layout.share)
}

func createExtension(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create extension pgq; create extension pgq_node; create extension pgq_coop;
		create extension pgq_ext; create extension londiste`)
	return err
}

// TestExtension: the owner of a database, no superuser, creates the extension.
// It makes what Install makes, does the same, and comes through a dump.
func TestExtension(t *testing.T) {
	s, folder := withExtension(t)
	t.Run("catalogue", func(t *testing.T) {
		lines := func(dsn string) (list []string) {
			for line := range strings.Lines(pgtest.CatalogFingerprint(t, dsn)) {
				if !strings.HasPrefix(line, "extension ") && !strings.HasPrefix(line, "comment on extension ") {
					list = append(list, line)
				}
			}
			return list
		}
		want := lines(pgtest.Database(t, s, setup))
		if diff := cmp.Diff(want, lines(pgtest.Database(t, s, createExtension))); diff != "" {
			t.Errorf("not what Install makes (-Install +extension):\n%s", diff)
		}
	})
	for _, name := range []string{"pgq_queue", "pgq_insert", "pgq_ticker", "pgq_batch", "pgq_retry", "pgq_rotate", "pgq_node", "coop", "coop_key", "ext"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "testdata/"+name+".out", psql(t, pgtest.Database(t, s, createExtension), "testdata/"+name+".sql"))
		})
	}
	t.Run("dump", func(t *testing.T) { dumpAndRestore(t, s) })
	t.Run("update", func(t *testing.T) { updateExtension(t, s, folder) })
	t.Run("install", func(t *testing.T) { installOverExtension(t, s) })
	t.Run("over an install", func(t *testing.T) {
		conn := pgtest.Connect(t, pgtest.Database(t, s, setup))
		if _, err := conn.Exec(t.Context(), `create extension pgq`); err == nil {
			t.Error("the extension was made over what Install made")
		} else {
			wantCode(t, err, "42P06")
		}
	})
}

func dumpAndRestore(t *testing.T, s *pgserver.Server) {
	dsn := pgtest.Database(t, s, createExtension)
	b := &bench{t, dsn, pgtest.Connect(t, dsn)}
	b.run(b.own, `select pgq.create_queue('q'), pgq.register_consumer('q', 'c'), pgq_coop.register_subconsumer('q', 'k', 'm'),
		skytools.coop_set_key('q', 'k', 'ev_type', 4), pgq_ext.set_last_tick('x', 5), skytools.set_queue_policy('q', 'max_attempts', '3')`)
	b.run(b.own, `select pgq.insert_event('q', 't', 'before')`)
	b.tick()
	b.run(b.own, `select pgq.insert_event('q', 't', 'later')`)
	b.tick()
	b.drain(b.own, "c")

	tool := pgtest.RequireTool(t, "pg_dump", "apt install postgresql-client")
	dump := exec.CommandContext(t.Context(), tool, "--dbname", dsn)
	var text, complaint bytes.Buffer
	dump.Stdout, dump.Stderr = &text, &complaint
	err := dump.Run()
	if strings.Contains(complaint.String(), "server version mismatch") {
		t.Logf("not dumped: %s", complaint.String()) // npm's packages of other versions have no pg_dump
		return
	}
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, complaint.String())
	}
	file := filepath.Join(t.TempDir(), "dump.sql")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	restored := pgtest.Database(t, s, nil)
	if out := psql(t, restored, file); strings.Contains(out, "ERROR") {
		t.Fatal(out)
	}
	if diff := cmp.Diff(pgtest.CatalogFingerprint(t, dsn), pgtest.CatalogFingerprint(t, restored)); diff != "" {
		t.Errorf("restored to another catalogue: %s", diff)
	}
	// The same server, so the same transaction ids: work goes on where it was.
	b = &bench{t, restored, pgtest.Connect(t, restored)}
	b.run(b.own, `select pgq.insert_event('q', 't', 'after')`)
	b.tick()
	b.wantData(b.drain(b.own, "c"), "after")
	for _, want := range []string{"before", "later after"} {
		batch := pgtest.One[int64](b.t, b.own, `select batch_id from skytools.coop_next_batch('q', 'k', 'm', i_min_count => 1)`)
		b.wantData(pgtest.Column[string](t, b.own, `select ev_data from pgq.get_batch_events($1)`, batch), strings.Fields(want)...)
		b.run(b.own, `select skytools.coop_finish_batch($1)`, batch)
	}
	if got := pgtest.One[string](b.t, b.own, `select format('%s %s %s', pgq.create_queue('r'), pgq_ext.get_last_tick('x'),
		(select max_attempts from skytools.queue_policy))`); got != "1 5 3" {
		t.Errorf("after the restore: %s", got)
	}
}

// updateExtension brings the extension to a later version, which has a table
// and a function more, one function less, and another one changed.
func updateExtension(t *testing.T, s *pgserver.Server, folder string) {
	later := edited(t, map[string]string{
		"skytools/tables/999_thing.sql":    "create table skytools.thing (a int);\n",
		"pgq/functions/thing.sql":          "create or replace function pgq.thing() returns int language sql as 'select 1';\n",
		"skytools/functions/coop_lost.sql": "",
		"pgq/functions/version.sql":        "create or replace function pgq.version() returns text language sql immutable parallel safe as $$ select '3.5.4'::text $$;\n",
	})
	b, err := load(later)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "pgq--3.5.3--3.5.4.sql"), []byte(extensionUpdate(b)), 0o644); err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.Database(t, s, createExtension)
	conn := pgtest.Connect(t, dsn)
	if _, err := conn.Exec(t.Context(), `alter extension pgq update to '3.5.4'`); err != nil {
		t.Fatal(err)
	}
	got := pgtest.Column[string](t, conn, `select format('%s %s %s', pgq.version(), to_regprocedure('skytools.coop_lost(bigint)') is null,
		(select count(*) from pg_depend where deptype = 'e' and refobjid = (select oid from pg_extension where extname = 'pgq')
			and (classid = 'pg_proc'::regclass and objid = 'pgq.thing()'::regprocedure
				or classid = 'pg_class'::regclass and objid = any ((select extconfig from pg_extension where extname = 'pgq')::oid[])
					and objid = 'skytools.thing'::regclass)))`)
	if got[0] != "3.5.4 t 2" {
		t.Errorf("after the update: %s, want the version, a function gone, a function and a table as members", got[0])
	}
	if r := mustInstall(t, conn, later); len(r.Applied)+len(r.Replaced)+len(r.Dropped) > 0 {
		t.Errorf("install finds the updated extension wanting: %+v", r)
	}
}

func installOverExtension(t *testing.T, s *pgserver.Server) {
	dsn := pgtest.Database(t, s, createExtension)
	conn := pgtest.Connect(t, dsn)
	r := mustInstall(t, conn, tree)
	if lines := strings.Join(r.Lines(), "\n"); r.Changed() || !strings.Contains(lines, "belong to the extension pgq 3.5.") {
		t.Errorf("%+v:\n%s", r, lines)
	}
	before := pgtest.CatalogFingerprint(t, dsn)
	for _, path := range []string{"pgq/functions/thing.sql", "pgq/tables/999_thing.sql"} {
		_, err := install(t.Context(), conn, edited(t, map[string]string{path: "create function pgq.thing() returns int language sql as 'select 1';\n"}), Options{})
		wantRefusal(t, err, "belong to the extension pgq")
	}
	_, err := install(t.Context(), conn, edited(t, map[string]string{"pgq/functions/seq_getval.sql": ""}), Options{})
	wantRefusal(t, err, "belong to the extension pgq")
	if pgtest.CatalogFingerprint(t, dsn) != before {
		t.Error("a refused install changed the extension")
	}
	script := filepath.Join(t.TempDir(), "install.sql")
	out, err := os.Create(script)
	if err == nil {
		err = Print(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text := psql(t, dsn, script); !strings.Contains(text, "belong to the extension pgq") {
		t.Error("the printed SQL does not refuse the extension")
	}
}

// TestExtensionFilesOfOthers: another extension pgq is not overwritten, our own
// is.
func TestExtensionFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		names, err := WriteExtension(dir)
		if err != nil || len(names) != 9+Number {
			t.Fatalf("%v, %v", names, err)
		}
	}
	file := filepath.Join(dir, "pgq_node.control")
	if err := os.WriteFile(file, []byte("# pgq_node extension\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "pgq.control")); err != nil {
		t.Fatal(err)
	}
	_, err := WriteExtension(dir)
	wantRefusal(t, err, "pgq_node.control is of another extension")
	if _, err := os.Stat(filepath.Join(dir, "pgq.control")); err == nil {
		t.Error("some of the files were written")
	}
}
