package londiste_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

const ledger = `create table account (id int primary key, n int not null, tag int unique);
	create table entry2 (id serial primary key, account int references account, amount int)`

// write keeps changing the ledger until stop is called.
func (p *pair) write(t *testing.T) (stop func()) {
	t.Helper()
	conn := pgtest.Connect(t, p.provDSN)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, err := conn.Exec(context.WithoutCancel(ctx), fmt.Sprintf(`begin;
				insert into entry2 (account, amount) values (1 + %[1]d %% 20, %[1]d);
				update account set n = n + 1 where id = 1 + %[1]d %% 20;
				delete from entry2 where id %% 7 = 0 and id < %[1]d;
				update account set tag = -tag where id = 1 + %[1]d %% 19;
				update account set id = 1000 + %[1]d where id = (select max(id) from account); commit`, i))
			if err != nil {
				t.Errorf("writer: %v", err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// dump brings a table's rows, as one snapshot sees them all, to the subscriber.
func (p *pair) dump(tables ...string) {
	p.t.Helper()
	ctx := p.t.Context()
	tx, err := p.provConn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	p.ok(err)
	defer tx.Rollback(context.WithoutCancel(ctx))
	for _, table := range tables {
		var rows string
		p.ok(tx.QueryRow(ctx, `select coalesce(json_agg(t), '[]')::text from `+table+` t`).Scan(&rows))
		_, err := p.subConn.Exec(ctx, `insert into `+table+` select * from json_populate_recordset(null::`+table+`, $1::text::json)`, rows)
		p.ok(err)
	}
}

// A subscriber made of a dump goes on from the last tick before it, while
// writers are at work; rows that the dump had already do not count as strange.
func TestAttachDump(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(ledger + `; create table bare (v int primary key)`)
	f.exec(f.provConn, `insert into account select g, 0, g from generate_series(1, 21) g`)
	f.ok(f.prov.AddTables(t.Context(), named("account", "entry2", "bare"), londiste.Capture{}))
	f.ok(f.prov.AddSeqs(t.Context(), named("entry2_id_seq")))
	f.exec(f.provConn, `update skytools.capture set key_columns = '{}' where table_name = 'bare'`)
	before := pgq.TickID(value[int64](f.pair, f.provConn, `select max(tick_id) from pgq.tick`))
	f.fails(f.sub.Attach(t.Context(), named("account"), londiste.AttachOptions{Tick: before}), "table public.account was added at the provider after tick", "subscriber add")
	stop := f.write(t)
	f.eventually(f.provConn, fmt.Sprintf(`select (max(tick_id) > %d)::text from pgq.tick`, before), "true")
	// The tick is the provider's last, and some consumer keeps it.
	f.exec(f.provConn, `select pgq.register_consumer('londiste.write', 'job')`)
	tick := pgq.TickID(value[int64](f.pair, f.provConn, `select max(tick_id) from pgq.tick`))
	f.dump("account", "entry2")

	attach := func(opt londiste.AttachOptions, tables ...string) error {
		return f.sub.Attach(t.Context(), named(tables...), opt)
	}
	f.fails(attach(londiste.AttachOptions{Tick: 1 << 40}, "account"), "tick not found", "make a newer copy")
	f.fails(attach(londiste.AttachOptions{}), "nothing in the subscriber's database tells", "--from-tick N")
	f.fails(attach(londiste.AttachOptions{LSN: "0/1"}), "nothing in the subscriber's database tells", "--from-tick N")
	f.fails(attach(londiste.AttachOptions{Tick: tick}), "table public.bare has no key", "subscriber add public.bare")
	self := *f.sub
	self.Subscriber = self.Provider
	f.fails(self.Attach(t.Context(), named("account"), londiste.AttachOptions{Tick: tick}), "are the same database", "")

	f.ok(attach(londiste.AttachOptions{Tick: tick}, "account", "entry2"))
	f.logged("Attached at tick")
	f.fails(attach(londiste.AttachOptions{Tick: tick}, "account"), "has a position or tables already", "--expect-sync")
	if st := f.sub.ReadStatus(t.Context()); st.Consistent || !st.Ahead {
		t.Errorf("status: %+v", st)
	}
	strict := f.newWorker()
	strict.StopOnConflict = true // but for the rows that are ahead
	w := start(t, strict.Run)
	f.says("are caught up with")
	stop()
	f.equal("public.account", "public.entry2")
	if st := f.sub.ReadStatus(t.Context()); !st.Consistent || st.Ahead {
		t.Errorf("status: %+v", st)
	}
	if n := value[int](f.pair, f.subConn, `select sum(diverged)::int from skytools.table_counter`); n != 0 {
		t.Errorf("%d rows counted as changed here", n)
	}
	f.ok(w.stop())
	// Every event after the tick was taken once, none before.
	written := value[int](f.pair, f.provConn, `select count(*)::int from pgq.event_1, pgq.tick
		where tick_id = $1 and not txid_visible_in_snapshot(ev_txid, tick_snapshot)`, int64(tick))
	if got := f.events("job"); got != written {
		t.Errorf("%d events were written after tick %d, the worker took %d", written, tick, got)
	}
	f.noCopyLeft()
}

// A copy of the provider's whole database knows its tick by itself, and is
// made a subscriber whose own writers fill no queue.
func TestAttachCopyOfDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	f := &flow{pair: newPairOn(t, server, server, installed), log: &syncLog{}}
	f.ok(f.prov.Install(t.Context(), install))
	f.exec(f.provConn, ledger)
	f.exec(f.provConn, `insert into account select g, 0, g from generate_series(1, 20) g`)
	f.ok(f.prov.AddTables(t.Context(), named("account", "entry2"), londiste.Capture{}))
	f.ok(f.prov.AddSeqs(t.Context(), named("entry2_id_seq")))
	f.exec(f.provConn, `select pgq.register_consumer('londiste.write', 'job'); select skytools.tick('londiste.write');
		insert into entry2 (account, amount) values (1, 1)`)
	f.exec(f.provConn, `select skytools.tick('londiste.write', max(tick_id)) from pgq.tick`)
	f.exec(f.provConn, `insert into entry2 (account, amount) values (1, 2); update account set n = 2`) // in the copy, after its tick
	name, copied := pgtest.DBName(t, f.provDSN), pgtest.DBName(t, f.subDSN)
	f.ok(f.provConn.Close(t.Context()))
	f.ok(f.subConn.Close(t.Context()))
	admin := pgtest.Admin(t, server, "postgres")
	f.exec(admin, fmt.Sprintf(`drop database %q`, copied))
	f.exec(admin, fmt.Sprintf(`create database %q template %q owner %s`, copied, name, pgtest.Role))
	f.provConn, f.subConn = pgtest.Connect(t, f.provDSN), pgtest.Connect(t, f.subDSN)
	f.exec(f.provConn, `insert into entry2 (account, amount) values (1, 3)`)
	last := value[int](f.pair, f.subConn, `select max(tick_id)::int from pgq.tick`)

	attach := func(opt londiste.AttachOptions) error { return f.sub.Attach(t.Context(), londiste.Selection{}, opt) }
	far := "7FFFFFFF/0"
	f.fails(attach(londiste.AttachOptions{LSN: far}), "was not recovered so far", "")
	f.fails(attach(londiste.AttachOptions{LSN: "here"}), "lsn \"here\"", "")
	f.fails(attach(londiste.AttachOptions{Tick: pgq.TickID(last + 1)}), fmt.Sprintf("has not seen tick %d", last+1), fmt.Sprintf("--from-tick %d", last))
	f.exec(f.subConn, `update pgq.tick set tick_time = tick_time + interval '1s'`)
	f.fails(attach(londiste.AttachOptions{}), "it is no copy of this provider", "")
	f.exec(f.subConn, `update pgq.tick set tick_time = tick_time - interval '1s'`)
	f.ok(attach(londiste.AttachOptions{LSN: "0/1"}))
	f.logged(fmt.Sprintf("Attached at tick %d", last))
	if n := value[int](f.pair, f.subConn, `select count(*)::int from pg_trigger where starts_with(tgname, '_londiste')`); n != 0 {
		t.Errorf("the copy still has %d triggers of a provider", n)
	}
	start(t, (&ticker.Ticker{Database: f.provConn.Config()}).Run)
	f.worker = f.newWorker()
	w := start(t, f.worker.Run)
	f.exec(f.provConn, `insert into entry2 (account, amount) values (2, 4); update account set tag = -tag`)
	f.equal("public.account", "public.entry2")
	pgtest.CompareSequences(t, f.provDSN, f.subDSN, "entry2_id_seq")
	f.ok(w.stop())
	if n := value[int](f.pair, f.subConn, `select count(*)::int from pg_class where relname like 'event\_%'`); n > 8 {
		t.Errorf("%d relations of queues are left in the copy", n)
	}
}

// backup is a provider under load and a base backup of its server, taken while
// it was; nothing else is known of it.
func backup(t *testing.T, setup string, tables ...string) (f *flow, copied *pgserver.Server, stop func()) {
	t.Helper()
	f, server := origin(t, setup, tables...)
	pgtest.RequireProgram(t, server, "pg_basebackup", "Debian: apt-get install postgresql-client")
	start(t, (&ticker.Ticker{Database: f.provConn.Config(), Log: slog.New(slog.DiscardHandler)}).Run)
	stop = f.write(t)
	f.eventually(f.provConn, `select (count(*) > 2)::text from pgq.tick`, "true")
	f.exec(f.provConn, `begin; insert into entry2 (account, amount) values (9, -1)`) // open all along
	copied = pgtest.Backup(t, server)
	f.copyTo(copied)
	f.exec(f.provConn, `commit`)
	return f, copied, stop
}

// origin is a provider on a server of its own.
func origin(t *testing.T, setup string, tables ...string) (*flow, *pgserver.Server) {
	t.Helper()
	server := pgtest.Own(t, pgserver.Options{})
	dsn := pgtest.Database(t, server, installed)
	p := newPairOn(t, server, server, installed)
	p.provDSN, p.provConn = dsn, pgtest.Connect(t, dsn)
	p.prov.Provider = p.provConn.Config()
	f := &flow{pair: p, log: &syncLog{}}
	f.ok(f.prov.Install(t.Context(), install))
	f.exec(f.provConn, ledger)
	f.exec(f.provConn, `insert into account select g, 0, g from generate_series(1, 21) g`)
	f.exec(f.provConn, setup)
	f.ok(f.prov.AddTables(t.Context(), named(append(tables, "account", "entry2")...), londiste.Capture{}))
	f.ok(f.prov.AddSeqs(t.Context(), named("entry2_id_seq")))
	f.exec(f.provConn, `select pgq.register_consumer('londiste.write', 'job')`)
	return f, server
}

// copyTo has a copied server stand for the subscriber's.
func (f *flow) copyTo(server *pgserver.Server) {
	f.t.Helper()
	f.subDSN = server.DSN(pgtest.DBName(f.t, f.provDSN), pgtest.Role)
	f.subConn = pgtest.Connect(f.t, f.subDSN)
	f.sub.Provider, f.sub.Subscriber = f.provConn.Config(), f.subConn.Config()
}

// A base backup is attached while the provider is written to; a ticker that
// took it for one of its own has been there before.
func TestAttachBaseBackup(t *testing.T) {
	t.Parallel()
	f, copied, stop := backup(t, `select pgq.create_queue('other queue')`)
	attach := func(opt londiste.AttachOptions) error { return f.sub.Attach(t.Context(), londiste.Selection{}, opt) }
	last := value[int](f.pair, f.subConn, `select max(tick_id)::int from pgq.tick`)
	f.exec(f.subConn, fmt.Sprintf(`select skytools.tick('londiste.write', %d)`, last))
	f.exec(f.provConn, `select 1`)
	f.eventually(f.provConn, fmt.Sprintf(`select (max(tick_id) > %d)::text from pgq.tick`, last+1), "true")
	f.fails(attach(londiste.AttachOptions{Tick: pgq.TickID(last + 1)}), fmt.Sprintf("has not seen tick %d, its last is %d", last+1, last), "")

	admin := pgtest.Connect(t, copied.DSN(pgtest.DBName(t, f.provDSN), pgserver.Superuser))
	f.exec(admin, `begin; create table held (); prepare transaction 'an ''old'' one'`)
	f.fails(attach(londiste.AttachOptions{}), "prepared transactions", "rollback prepared 'an ''old'' one'")
	f.exec(admin, `rollback prepared 'an ''old'' one'`)

	f.ok(attach(londiste.AttachOptions{LSN: "0/1"}))
	told := f.pair.log.String()
	for _, text := range []string{"Passing over 1 tick", "has queue other queue too", fmt.Sprintf("Attached at tick %d", last)} {
		if !strings.Contains(told, text) {
			t.Errorf("not logged: %s\n%s", text, told)
		}
	}
	for sql, want := range map[string]string{
		`select count(*)::text from pg_trigger where starts_with(tgname, '_londiste')`:          "0",
		`select count(*)::text from skytools.capture`:                                           "0",
		`select string_agg(queue_name, ',') from pgq.queue`:                                     "other queue",
		`select count(*)::text from pgq.consumer`:                                               "0",
		`select node_type || ' ' || node_name from pgq_node.node_info`:                          "leaf job",
		`select string_agg(node_name, ',' order by node_name) from pgq_node.node_location`:      "job,root",
		`select count(*)::text from pg_class where relkind = 'S' and relname ~ '^event_\d+_id'`: "1",
	} {
		f.eventually(f.subConn, sql, want)
	}
	w := start(t, f.newWorker().Run)
	f.says("are caught up with")
	f.exec(f.subConn, `insert into account values (-5, 0, -5000000); delete from account where id = -5`) // fills no queue
	stop()
	f.equal("public.account", "public.entry2")
	pgtest.CompareSequences(t, f.provDSN, f.subDSN, "entry2_id_seq")
	if n := value[int](f.pair, f.subConn, `select sum(diverged)::int from skytools.table_counter`); n != 0 {
		t.Errorf("%d rows counted as changed here", n)
	}
	if st := f.sub.ReadStatus(t.Context()); !st.Consistent || st.Ahead {
		t.Errorf("status: %+v", st)
	}
	f.ok(w.stop())
}

// What a base backup may have against it.
func TestAttachRefusesBaseBackup(t *testing.T) {
	t.Parallel()
	f, _, stop := backup(t, `create table late (id int primary key)`)
	stop()
	attach := func(opt londiste.AttachOptions, tables ...string) error {
		return f.sub.Attach(t.Context(), named(tables...), opt)
	}
	f.ok(f.prov.AddTables(t.Context(), named("late"), londiste.Capture{}))
	f.fails(attach(londiste.AttachOptions{}), "table public.late was added at the provider after tick", "subscriber add public.late")

	f.exec(f.subConn, `update account set n = n where id = 1`)
	f.fails(attach(londiste.AttachOptions{}, "account"), "the provider has not made 1 change of replicated tables", "make a new copy")
	f.exec(f.subConn, `delete from pgq.event_1 where ev_time = (select max(ev_time) from pgq.event_1)`)

	f.exec(f.provConn, `select pgq.register_consumer_at('londiste.write', 'job', max(tick_id)) from pgq.tick;
		select skytools.claim('londiste.write', 'job', system_identifier::text, d.oid::bigint, d.datname, 'job', 1)
		from pg_control_system(), pg_database d where datname = current_database()`)
	f.fails(attach(londiste.AttachOptions{}, "account"), "for this copy or another one of the same server", "job_name of its own")

	f.exec(f.provConn, `delete from pgq.tick where tick_id <= `+value[string](f.pair, f.subConn, `select max(tick_id)::text from pgq.tick`))
	f.fails(attach(londiste.AttachOptions{}, "account"), "the events since then are gone", "pgqadm INI register londiste.write job")
}

// Recovery has emptied what is unlogged, be it a partition only. One that has no
// rows at the provider has lost none.
func TestAttachRefusesWhatRecoveryEmptied(t *testing.T) {
	t.Parallel()
	f, copied, stop := backup(t, `create unlogged table fleeting (id int primary key); insert into fleeting values (1);
		create unlogged table idle (id int primary key);
		create table visit (id int primary key) partition by range (id);
		create table visit_1 partition of visit for values from (0) to (10);
		create unlogged table visit_2 partition of visit for values from (10) to (20);
		insert into visit select generate_series(5, 15)`, "fleeting", "idle", "visit")
	stop()
	for table, lost := range map[string]string{"fleeting": "fleeting", "visit": "visit_2"} {
		f.fails(f.sub.Attach(t.Context(), named(table), londiste.AttachOptions{}),
			"table public."+lost+" is unlogged and empty at the subscriber", "subscriber add public."+table)
	}
	f.ok(f.sub.Attach(t.Context(), named("account", "idle"), londiste.AttachOptions{}))

	// A crash before the worker's first look is noticed as well.
	f.exec(f.provConn, `insert into idle values (7)`)
	f.exec(f.subConn, `insert into idle values (7)`)
	f.ok(copied.Stop(t.Context(), "immediate"))
	f.ok(copied.Restart(t.Context()))
	f.subConn = pgtest.Connect(t, f.subDSN)
	w := start(t, f.newWorker().Run)
	f.says(`emptied an unlogged table: copying it anew" side=subscriber table=public.idle`)
	f.eventually(f.subConn, `select string_agg(distinct coalesce(merge_state, '-'), '') from londiste.table_info where local`, "ok")
	f.equal("public.idle")
	f.ok(w.stop())
}
