package doctor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/session"
)

// examineServer returns what is wrong as "check result: text", with more to
// adjust what is looked at.
func examineServer(t *testing.T, dsn string, more func(*server)) (wrong []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background(), conn)
	x := &server{conn: conn, now: time.Now, long: time.Hour, big: 1 << 40}
	if more != nil {
		more(x)
	}
	found, err := run(t.Context(), serverChecks, x)
	if err != nil {
		t.Fatal(err)
	}
	looked := map[string]bool{}
	for _, f := range found {
		looked[f.Check] = true
		if f.Result == Sound {
			continue
		}
		if f.Mend == "" || f.Why == "" {
			t.Errorf("%+v does not say why it matters, or what to do", f)
		}
		wrong = append(wrong, f.Check+" "+string(f.Result)+": "+f.Text)
	}
	if len(looked) != len(serverChecks) {
		t.Errorf("%d checks of %d told something", len(looked), len(serverChecks))
	}
	return wrong
}

// TestServer breaks one thing after another, in a bare database, and wants it
// told, with nothing else; then mended, and nothing told.
func TestServer(t *testing.T) {
	own := pgtest.Own(t, pgserver.Options{Fsync: true})
	dsn := pgtest.Database(t, own, nil)
	db := pgtest.DBName(t, dsn)
	admin := pgtest.Admin(t, own, db)
	reload := func(setting, value string) func(*testing.T) {
		return func(t *testing.T) {
			pgtest.Eventually(t, 10*time.Second, "the server reads its settings", func() bool {
				return pgtest.One[string](t, pgtest.Connect(t, own.DSN(db, pgserver.Superuser)), `select current_setting($1)`, setting) == value
			})
		}
	}
	collation := [2]string{`update pg_database set datcollversion = '0' where datname = current_database()`, `update pg_database set datcollversion = null where datname = current_database()`}
	if own.Programs().Major < 15 {
		collation = [2]string{
			`create collation old (locale = 'C'); update pg_collation set collversion = '0' where collname = 'old'; create table old (a text collate old)`,
			`drop table old; drop collation old`,
		}
	}
	for _, c := range []struct {
		name, breaks, mends, want string
		more                      func(*server)
		wait                      [2]func(*testing.T)
	}{
		{name: "sound"},
		{name: "clock", want: "clock warning: the server's clock and this machine's differ by 3600s", more: func(x *server) {
			x.now = func() time.Time { return time.Now().Add(-time.Hour) }
		}},
		{name: "connections", breaks: `alter database "` + db + `" connection limit 8`, mends: `alter database "` + db + `" connection limit -1`, want: "connections warning: database " + db + " has room for 6 sessions more: 2 of 8 are taken"},
		{name: "role", breaks: `alter role app valid until 'tomorrow'`, mends: `alter role app valid until 'infinity'`, want: "role warning: the password of role app is valid until "},
		{name: "expired", breaks: `alter role app valid until '2001-01-01'`, mends: `alter role app valid until 'infinity'`, want: "role failed: the password of role app is valid until 2001"},
		{
			name: "settings", breaks: `alter system set full_page_writes = off; select pg_reload_conf()`, mends: `alter system reset full_page_writes; select pg_reload_conf()`,
			want: "settings failed: full_page_writes is off: ", wait: [2]func(*testing.T){reload("full_page_writes", "off"), reload("full_page_writes", "on")},
		},
		{name: "temporary files", breaks: `alter role app set temp_file_limit = '10MB'`, mends: `alter role app reset temp_file_limit`, want: "settings warning: temp_file_limit is 10240kB: "},
		{name: "statement timeout", breaks: `alter role app set statement_timeout = '1min'`, mends: `alter role app reset statement_timeout`, want: "settings warning: statement_timeout is 60000ms: "},
		{name: "collations", breaks: collation[0], mends: collation[1], want: "collations failed: "},
		{name: "prepared", breaks: `begin; create table undone (); prepare transaction 'it''s'`, mends: `rollback prepared 'it''s'`, want: `transactions warning: transaction 'it''s' of `, more: func(x *server) { x.long = 0 }},
		{name: "slots", breaks: `select pg_create_physical_replication_slot('idle', true)`, mends: `select pg_drop_replication_slot('idle')`, want: "slots warning: replication slot idle is not in use and keeps "},
		{name: "wraparound", breaks: `update pg_database set datfrozenxid = ((txid_current() - 600000000 + 4294967296) % 4294967296)::text::xid where datname = 'template0'`, mends: `update pg_database d set datfrozenxid = (select datfrozenxid from pg_database where datname = 'template1') where datname = 'template0'`, want: "wraparound warning: database template0 holds transaction ids of 6000"},
		{
			name: "autovacuum", breaks: `alter system set autovacuum = off; select pg_reload_conf()`, mends: `alter system reset autovacuum; select pg_reload_conf()`,
			want: "autovacuum failed: autovacuum is off", wait: [2]func(*testing.T){reload("autovacuum", "off"), reload("autovacuum", "on")},
		},
		{name: "disk", breaks: `create schema pgq; create table pgq.event_1_0 as select repeat('x', 100) from generate_series(1, 100000)`, mends: `drop schema pgq cascade`, want: "disk warning: ", more: func(x *server) { x.big = 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, sql := range []string{c.breaks, c.mends} {
				for _, one := range strings.Split(sql, "; ") {
					pgtest.Exec(t, admin, one)
				}
				if c.wait[i] != nil {
					c.wait[i](t)
				}
				want, more := c.want, c.more
				if i == 1 {
					want, more = "", nil
				}
				wrong := examineServer(t, dsn, more)
				if want == "" && len(wrong) > 0 || want != "" && (len(wrong) != 1 || !strings.HasPrefix(wrong[0], want)) {
					t.Errorf("found %q, want %q", wrong, want)
				}
			}
		})
	}
}

// TestLongTransaction names the process, its program, its statement, and how to
// end it.
func TestLongTransaction(t *testing.T) {
	dsn := pgtest.Database(t, pgtest.Server(t), nil)
	other := pgtest.Connect(t, dsn+" application_name=report")
	pgtest.ExecAll(t, other, `begin isolation level repeatable read`, `select 1 as  the_statement`)
	wrong := examineServer(t, dsn, func(x *server) { x.long = 0 })
	if !slices.ContainsFunc(wrong, func(w string) bool {
		return strings.HasPrefix(w, "transactions warning: process ") && strings.Contains(w, "of app (report) has been in a transaction for 00:00:") && strings.HasSuffix(w, "idle in transaction: select 1 as the_statement")
	}) {
		t.Errorf("found %q", wrong)
	}
}

// TestStandby: nothing can be written there, and nothing else is wrong with it.
func TestStandby(t *testing.T) {
	own := pgtest.Own(t, pgserver.Options{Fsync: true})
	if err := own.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrong := examineServer(t, own.DSN("postgres", pgserver.Superuser), nil)
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], "server failed: the server is a standby") {
		t.Errorf("found %q", wrong)
	}
}

func TestPooler(t *testing.T) {
	through := pgtest.Pgbouncer(t, pgtest.Database(t, pgtest.Server(t), nil))
	wrong := examineServer(t, through, nil)
	if !slices.Contains(wrong, "pooler failed: a pooler in transaction mode stands between") {
		t.Errorf("found %q", wrong)
	}
}

func TestJudgeNetwork(t *testing.T) {
	for want, f := range map[string]Finding{
		"ok round trip 210µs, 1.0 MB/s":     judgeNetwork(211*time.Microsecond, time.Second)[0],
		"warning round trip 51ms, 1.0 MB/s": judgeNetwork(51*time.Millisecond, time.Second)[0],
		"warning round trip 1ms, 0.5 MB/s":  judgeNetwork(time.Millisecond, 2*time.Second)[0],
	} {
		if got := string(f.Result) + " " + f.Text; got != want || (f.Result == Sound) != (f.Mend == "") {
			t.Errorf("%+v, want %q", f, want)
		}
	}
}
