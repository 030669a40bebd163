package londiste_test

import (
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// The files of a server that was stopped: they have all rows, of unlogged tables as
// well, and a subscription that would take from another's slot.
func TestAttachFilesOfAServer(t *testing.T) {
	f, server := origin(t, `create unlogged table fleeting (id int primary key); insert into fleeting values (1)`, "fleeting")
	admin := pgtest.Connect(t, server.DSN(pgtest.DBName(t, f.provDSN), pgserver.Superuser))
	f.exec(admin, `create subscription "from Elsewhere" connection 'host=127.0.0.1 port=1 dbname=none' publication p
		with (connect = false, slot_name = 'theirs'); alter subscription "from Elsewhere" enable`)
	f.exec(f.provConn, `select skytools.tick('londiste.write', max(tick_id)) from pgq.tick`)
	stop := f.write(t)
	f.eventually(f.provConn, `select (count(*) > 50)::text from entry2`, "true")
	stop()
	last := value[int](f.pair, f.provConn, `select max(tick_id)::int from pgq.tick`)
	f.ok(server.Stop(t.Context(), "fast"))
	copied := pgtest.Copy(t, server)
	f.ok(server.Restart(t.Context()))
	f.provConn = pgtest.Connect(t, f.provDSN)
	f.copyTo(copied)
	admin = pgtest.Connect(t, server.DSN(pgtest.DBName(t, f.provDSN), pgserver.Superuser))
	f.exec(admin, `alter subscription "from Elsewhere" disable; alter subscription "from Elsewhere" set (slot_name = none)`)
	f.exec(admin, `drop subscription "from Elsewhere"`)
	start(t, (&ticker.Ticker{Database: f.provConn.Config(), Log: slog.New(slog.DiscardHandler)}).Run)
	stop = f.write(t)
	f.exec(f.provConn, `insert into fleeting values (2)`)

	f.ok(f.sub.Attach(t.Context(), londiste.Selection{}, londiste.AttachOptions{}))
	for _, told := range []string{fmt.Sprintf("Attached at tick %d", last), `has subscription "from Elsewhere"`, `alter subscription "from Elsewhere" disable`} {
		if !strings.Contains(f.pair.log.String(), told) {
			t.Errorf("not logged: %s\n%s", told, f.pair.log)
		}
	}
	w := start(t, f.newWorker().Run)
	f.says("are caught up with")
	stop()
	f.equal("public.account", "public.entry2", "public.fleeting")
	f.same(pgtest.One[int](t, f.subConn, `select sum(diverged)::int from skytools.table_counter`), 0)
	f.noCopyLeft()
	f.ok(w.stop())
}

// A dump with the snapshot of an exact tick, made as the page says: it has the
// rows of the tick and no others, so that tables without a key go on from there.
func TestAttachExactDump(t *testing.T) {
	pgtest.RequireProgram(t, pgtest.Server(t), "pg_dump", "Debian: apt-get install postgresql-client")
	dump, err := pgtest.Server(t).Programs().Program("pg_dump")
	if err != nil {
		t.Fatal(err)
	}
	psql := pgtest.RequireTool(t, "psql", "Debian: apt-get install postgresql-client")
	f := newFlow(t)
	f.exec(f.provConn, noKeyDDL+`; create table counter (id int primary key, n int); insert into counter select g, 0 from generate_series(1, 9) g;
		insert into log (n, v) select i % 10, 'v' || i % 5 from generate_series(1, 500) i`)
	f.ok(f.prov.AddTables(t.Context(), named("log", "counter"), londiste.Capture{NoKey: true}))
	f.exec(f.provConn, `select pgq.register_consumer('londiste.write', 'job')`)
	writes := f.writeNoKey()
	f.eventually(f.provConn, `select (count(*) > 100)::text from pgq.event_1`, "true")

	lock := pgtest.Connect(t, f.provDSN)
	f.exec(lock, `begin`)
	seq := pgtest.One[int64](t, lock, `select skytools.barrier_begin('londiste.write')`)
	snap, err := f.provConn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	f.ok(err)
	var seen, exported string
	f.ok(snap.QueryRow(t.Context(), `select txid_current_snapshot()::text, pg_export_snapshot()`).Scan(&seen, &exported))
	tick := pgtest.One[int64](t, lock, fmt.Sprintf(`select skytools.barrier_tick('londiste.write', %d, '%s', 'dump', null, '0')`, seq, seen))
	f.exec(lock, `commit`)
	var out, complaint strings.Builder
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$1" --no-owner --snapshot="$2" -t log -t counter "$3" | "$4" -q "$5"`,
		"sh", dump, exported, f.provDSN, psql, f.subDSN)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &complaint)
	}
	f.ok(snap.Rollback(t.Context()))
	for line := range strings.Lines(complaint.String()) { // the provider's triggers do not come along
		if strings.Contains(line, "ERROR") && !strings.Contains(line, "function skytools.capture_") {
			t.Error(line)
		}
	}
	attach := func(opt londiste.AttachOptions) error {
		return f.sub.Attach(t.Context(), londiste.Selection{}, opt)
	}
	f.fails(attach(londiste.AttachOptions{Tick: pgq.TickID(tick)}), "table public.log has no key", "--exact")
	f.ok(attach(londiste.AttachOptions{Tick: pgq.TickID(tick), Exact: true}))
	strict := f.newWorker()
	strict.StopOnConflict = true
	w := start(t, strict.Run)
	f.exec(f.provConn, `update counter set n = n + 1`)
	f.ok(writes.stop())
	f.equal("public.log", "public.counter")
	f.same(pgtest.One[int](t, f.subConn, `select coalesce(sum(diverged), 0)::int from skytools.table_counter`), 0)
	f.noCopyLeft()
	f.ok(w.stop())
}
