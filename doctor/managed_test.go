package doctor

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// features are what Managed tells, by feature: "result text".
func features(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	found, err := Managed(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range found {
		if f.Result != Sound && (f.Mend == "" || f.Why == "") {
			t.Errorf("%+v does not say what is lost, or what to do", f)
		}
		if all[f.Check] == "" || f.Result != Sound {
			all[f.Check] = string(f.Result) + " " + f.Text
		}
	}
	if len(all) != len(managedChecks) {
		t.Errorf("%d features of %d are told", len(all), len(managedChecks))
	}
	return all
}

// TestManaged gives and takes one right after another.
func TestManaged(t *testing.T) {
	own := pgtest.Own(t, pgserver.Options{})
	dsn := pgtest.Database(t, own, nil)
	db := pgtest.DBName(t, dsn)
	admin, conn := pgtest.Admin(t, own, db), pgtest.Connect(t, dsn)
	before := features(t, conn)
	replica := [2]string{`grant set on parameter session_replication_role to app`, `revoke set on parameter session_replication_role from app`}
	if own.Programs().Major < 15 {
		replica = [2]string{`alter role app superuser`, `alter role app nosuperuser`}
	}
	for feature, c := range map[string]struct{ does, undoes, before, after string }{
		"create schema":             {`revoke create on database "` + db + `" from app`, `grant create on database "` + db + `" to app`, "ok this role may", "failed role app may not create schemas"},
		"queue roles":               {`alter role app createrole`, `alter role app nocreaterole`, "warning pgq_reader, pgq_writer, pgq_admin not there", "ok pgq_reader"},
		"create trigger":            {`create table theirs ()`, `drop table theirs`, "ok this role may", "warning tables that role app may not make triggers on: 1, public.theirs among them"},
		"read all tables":           {`create table theirs ()`, `drop table theirs`, "ok this role may", "warning tables that role app may not read: 1, public.theirs among them"},
		"bypass row level security": {`create table theirs (); alter table theirs enable row level security; grant select on theirs to app`, `drop table theirs`, "ok this role sees all rows", "warning tables of which policies hide rows from role app: 1, public.theirs among them"},
		"session_replication_role":  {replica[0], replica[1], "warning role app may not set it", "ok this role may set it"},
		"temporary tables":          {`revoke temporary on database "` + db + `" from app, public`, `grant temporary on database "` + db + `" to app, public`, "ok this role may make them", "warning role app may not"},
		"see sessions":              {`grant pg_monitor to app`, `revoke pg_monitor from app`, "warning role app sees its own only", "ok this role sees"},
		"end sessions":              {`grant pg_signal_backend to app`, `revoke pg_signal_backend from app`, "warning role app may end its own only", "ok this role may end"},
		"identity":                  {`revoke execute on function pg_control_system() from public`, `grant execute on function pg_control_system() to public`, "ok this role may ask", "failed role app may not call pg_control_system()"},
		"connections":               {`alter database "` + db + `" connection limit 8`, `alter database "` + db + `" connection limit -1`, "ok there is room", "warning database " + db + " has room for 6 sessions more"},
		"extensions":                {`insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) values (99999, 'pgq', 10, 11, false, '3.5')`, `delete from pg_extension where oid = 99999`, "ok ", "warning extension pgq is installed in this database, and role app is no member of pgq_admin"},
		"event triggers":            {`create function look() returns event_trigger language plpgsql as 'begin end'; create event trigger look on ddl_command_end execute function look()`, `drop event trigger look; drop function look()`, "ok not needed; this role may not make them", "warning event trigger look (ddl_command_end) runs for our DDL"},
		"superuser":                 {`alter role app superuser`, `alter role app nosuperuser`, "ok not needed; this role is none", "ok not needed; this role is one"},
		"replication":               {`alter role app replication`, `alter role app noreplication`, "ok not needed; this role has it: f", "ok not needed; this role has it: t"},
	} {
		t.Run(feature, func(t *testing.T) {
			for _, sql := range strings.Split(c.does, "; ") {
				pgtest.Exec(t, admin, sql)
			}
			after := features(t, conn)
			for _, sql := range strings.Split(c.undoes, "; ") {
				pgtest.Exec(t, admin, sql)
			}
			if !strings.HasPrefix(before[feature], c.before) || !strings.HasPrefix(after[feature], c.after) {
				t.Errorf("told %q, then %q, want %q, then %q", before[feature], after[feature], c.before, c.after)
			}
		})
	}
}
