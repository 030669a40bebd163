package capture

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/schema"
)

//go:embed judge.sql
var judge string

//go:embed cases/*.sql
var cases embed.FS

func TestMain(m *testing.M) { pgtest.Main(m) }

func setup(ctx context.Context, conn *pgx.Conn) error {
	if _, err := schema.Install(ctx, conn, schema.Options{}); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "select pgq.create_queue('q');"+judge)
	return err
}

// TestCases runs every case in both modes and finds no difference; then with
// each mend of the case switched off, and finds one.
func TestCases(t *testing.T) {
	for _, c := range readCases(t) {
		for _, mode := range []string{"statement", "row"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				c.parallel(t)
				if found := run(t, c, options{"mode": mode}); found != "" {
					t.Errorf("%s", found)
				}
			})
			for _, mend := range c.breaks[mode] {
				t.Run(c.name+"/"+mode+"/without "+mend, func(t *testing.T) {
					c.parallel(t)
					if found := run(t, c, options{"mode": mode, "unsafe": []string{mend}}); found == "" {
						t.Errorf("the case passes without the mend %q that it exists for", mend)
					}
				})
			}
		}
	}
}

// parallel lets the case run beside others, unless it makes a role, which is
// the whole cluster's.
func (c scenario) parallel(t *testing.T) {
	t.Helper()
	if !slices.ContainsFunc(c.messages, func(m message) bool { return m.writer == "admin" }) {
		t.Parallel()
	}
}

func readCases(t *testing.T) []scenario {
	t.Helper()
	files, err := cases.ReadDir("cases")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	for _, f := range files {
		text, err := cases.ReadFile(path.Join("cases", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		c, err := parse(strings.TrimSuffix(f.Name(), ".sql"), string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// run plays a case against a database of its own and returns the first
// difference between a table and its events, or "".
func run(t *testing.T, c scenario, opt options) string {
	t.Helper()
	ctx := context.Background()
	s := pgtest.Server(t)
	dsn := pgtest.Database(t, s, setup)
	p := &player{t: t, dsn: dsn, opt: opt, conns: map[string]*pgx.Conn{}}
	p.judge = pgtest.Connect(t, dsn)
	p.admin = func() *pgx.Conn { return pgtest.Admin(t, s, databaseOf(t, dsn)) }
	var version int
	if err := p.judge.QueryRow(ctx, "select current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.messages {
		if m.needs > version {
			continue
		}
		if err := p.play(ctx, m); err != nil {
			if opt["unsafe"] != nil {
				return err.Error() // a writer broken by the missing mend is a failure of capture too
			}
			t.Fatalf("%s line %d: %v\n%s", c.name, m.line, err, m.sql)
		}
		if found := p.verdict(ctx); found != "" {
			return fmt.Sprintf("%s line %d: table and events differ after\n%s\n%s", c.name, m.line, m.sql, found)
		}
	}
	return ""
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}

// player has the connections of one run.
type player struct {
	t     *testing.T
	dsn   string
	opt   options
	judge *pgx.Conn
	admin func() *pgx.Conn
	conns map[string]*pgx.Conn
}

func (p *player) play(ctx context.Context, m message) error {
	if m.capture != "" {
		return p.install(ctx, m)
	}
	conn := p.conns[m.writer]
	if conn == nil {
		if m.writer == "admin" {
			conn = p.admin()
		} else {
			conn = pgtest.Connect(p.t, p.dsn)
		}
		p.conns[m.writer] = conn
	}
	err := conn.PgConn().Exec(ctx, m.sql).Close()
	var pgErr *pgconn.PgError
	switch {
	case m.fails == "":
		return err
	case err == nil:
		return fmt.Errorf("no error, want %s", m.fails)
	case errors.As(err, &pgErr) && pgErr.Code == m.fails:
		return nil
	}
	return err
}

func (p *player) install(ctx context.Context, m message) error {
	opt := options{}
	for k, v := range p.opt {
		opt[k] = v
	}
	for k, v := range m.options {
		opt[k] = v
	}
	_, err := p.judge.Exec(ctx, "select skytools.capture_install('q', n.nspname, c.relname, $2)"+
		" from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::regclass", m.capture, opt)
	return err
}

// verdict asks the judge unless a writer is in a transaction.
func (p *player) verdict(ctx context.Context) string {
	for _, conn := range p.conns {
		if conn.PgConn().TxStatus() != 'I' {
			return ""
		}
	}
	rows, err := p.judge.Query(ctx, "select judge.verdict('q')")
	if err == nil {
		var lines []string
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return strings.Join(lines, "\n")
		}
	}
	return "the judge cannot read the events: " + err.Error()
}

// TestMends wants a case for each mend that capture has, in some mode.
func TestMends(t *testing.T) {
	ctx := context.Background()
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	var mends []string
	if err := conn.QueryRow(ctx, "select skytools.capture_mends()").Scan(&mends); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, c := range readCases(t) {
		for _, names := range c.breaks {
			for _, name := range names {
				shown[name] = true
			}
		}
	}
	for _, name := range mends {
		if !shown[name] {
			t.Errorf("no case breaks without the mend %q", name)
		}
	}
	_, err := conn.Exec(ctx, `create table t (id int primary key);
		select skytools.capture_install('q', 'public', 't', '{"unsafe": ["key_gonne"]}')`)
	if err == nil {
		t.Error("a mend that is not one can be switched off")
	}
}

// TestRole switches a session's triggers off and on again. Generated functions
// have the role as a constant in their plans.
func TestRole(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Server(t)
	dsn := pgtest.Database(t, s, setup)
	conn := pgtest.Admin(t, s, databaseOf(t, dsn))
	for _, sql := range []string{
		"create table t (id int primary key)",
		"select skytools.capture_install('q', 'public', 't')",
		"insert into t values (1)",
		"insert into t values (2)", // the short way
		"set session_replication_role = local",
		"insert into t values (-3)",
		"begin",
		"set local session_replication_role = origin",
		"insert into t values (4)",
		"commit",
		"insert into t values (-5)",
		"reset session_replication_role",
		"insert into t values (6)",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var got string
	err := conn.QueryRow(ctx, "select string_agg(ev_data::json ->> 'id', ' ' order by ev_id) from pgq.event_1").Scan(&got)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1 2 4 6"; got != want {
		t.Errorf("events of the rows %s, want %s", got, want)
	}
}

// TestTextsOfBefore parses the calls that generated functions make. They are
// not made anew by an upgrade: a call that no longer resolves stops writers.
func TestTextsOfBefore(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	for _, call := range []string{
		"skytools.capture_shape(1, '{}'::int2[], '{}'::oid[])",
		"skytools.capture_shape(1, '{}'::int2[], '{}'::oid[], 1::int2)",
		"skytools.capture_role()",
		"skytools.capture_alive(1, '(0,1)'::tid)",
		"skytools.capture_plain('pg_class'::regclass)",
		"skytools.capture_now(1, 1::oid, 'UPDATE', false, 1::int4, 'new_t')",
		"skytools.capture_pin(1, 1::oid)",
		"skytools.capture_unpin('{}'::text[])",
		"skytools.capture_count(1, 'q', 1::int4, 1::int8)",
		"skytools.urlencode('')",
	} {
		if _, err := conn.Prepare(t.Context(), call, "select "+call); err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestTriggerWhileWaiting lets an UPDATE, whose plans are there already, wait
// for the transaction that makes a trigger which changes its key.
func TestTriggerWhileWaiting(t *testing.T) {
	ctx := t.Context()
	dsn := pgtest.Database(t, pgtest.Server(t), setup)
	admin, writer := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)
	do := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	do(admin, `create table t (id int primary key, v text);
		create function moves() returns trigger language plpgsql as 'begin new.id := new.id + 100; return new; end'`)
	do(admin, "select skytools.capture_install('q', 'public', 't')")
	do(writer, "insert into t values (1, 'a'), (2, 'b')")
	do(writer, "prepare u as update t set v = 'c' where id = $1")
	for range 7 { // until the plan stays
		do(writer, "execute u(1)")
	}
	do(admin, "begin; create trigger moves before update on t for each row execute function moves()")
	done := make(chan error, 1)
	go func() { done <- writer.PgConn().Exec(ctx, "execute u(2)").Close() }()
	for waiting := false; !waiting; {
		err := admin.QueryRow(ctx, "select exists (select from pg_locks where pid = $1 and not granted)", writer.PgConn().PID()).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	do(admin, "commit")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var differ int
	if err := admin.QueryRow(ctx, "select count(*) from judge.verdict('q')").Scan(&differ); err != nil || differ != 0 {
		t.Errorf("%d differences of table and events (%v)", differ, err)
	}
}

// TestOldSnapshotReadsNoRow updates rows at REPEATABLE READ, where keys are
// compared: the table must not be read for it, which would leave SERIALIZABLE
// writers conflicts that they had not.
func TestOldSnapshotReadsNoRow(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	scans := func() (n int) {
		t.Helper()
		err := conn.QueryRow(t.Context(), "select seq_scan + coalesce(idx_scan, 0) from pg_stat_xact_user_tables where relname = 't'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, sql := range []string{
		"create table t (id int primary key, v text)",
		"insert into t select generate_series(1, 9)",
		"select skytools.capture_install('q', 'public', 't')",
		"begin isolation level repeatable read",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"", "alter table t add column tags int[]"} { // then it is not as it was captured
		if _, err := conn.Exec(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{1, 5} {
			before := scans()
			if _, err := conn.Exec(t.Context(), "update t set v = 'a' where id <= $1", rows); err != nil {
				t.Fatal(err)
			}
			if n := scans() - before; n != 1 {
				t.Errorf("%q: an update of %d rows scans its table %d times, want once", step, rows, n)
			}
		}
	}
}

// TestKeyChangeEvents wants one delete and one update a changed key, whoever
// told them: a second delete of a key tells the subscriber of a row that it
// does not have.
func TestKeyChangeEvents(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("create table t (id int primary key, v text)")
	exec("insert into t select generate_series(1, 9)")
	exec("select skytools.capture_install('q', 'public', 't')")
	exec("create function b() returns trigger language plpgsql as 'begin return new; end'")
	for _, step := range []string{"", "create trigger b before update on t for each row execute function b()", "alter table t add column tags int[]"} {
		for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
			exec(step)
			exec("truncate pgq.event_1_0")
			exec("begin isolation level " + isolation)
			exec("update t set id = id + 10 where id in (select id from t limit 2)")
			exec("update t set v = 'a' where id in (select id from t limit 3)")
			exec("commit")
			var told string
			err := conn.QueryRow(t.Context(), "select string_agg(left(ev_type::json ->> 'op', 1), '' order by ev_id) from pgq.event_1_0").Scan(&told)
			if err != nil || told != "DDUUUUU" {
				t.Errorf("%q, %s: events %s (%v), want DDUUUUU", step, isolation, told, err)
			}
			step = ""
		}
	}
}
