package londiste_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

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
	f := newFlow(t)
	f.both(ledger + `; create table bare (v int primary key)`)
	f.exec(f.provConn, `insert into account select g, 0, g from generate_series(1, 21) g`)
	f.ok(f.prov.AddTables(t.Context(), named("account", "entry2", "bare"), londiste.Capture{}))
	f.ok(f.prov.AddSeqs(t.Context(), named("entry2_id_seq")))
	f.exec(f.provConn, `update skytools.capture set key_columns = '{}' where table_name = 'bare'`)
	stop := f.write(t)
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
	far := value[string](f.pair, f.provConn, `select (pg_current_wal_lsn() + 1000000000)::text`)
	f.fails(attach(londiste.AttachOptions{LSN: far}), "was not recovered so far", "")
	f.fails(attach(londiste.AttachOptions{LSN: "here"}), "lsn \"here\"", "")
	f.fails(attach(londiste.AttachOptions{Tick: pgq.TickID(last + 1)}), fmt.Sprintf("has not seen tick %d", last+1), fmt.Sprintf("--from-tick %d", last))
	f.exec(f.subConn, `update pgq.tick set tick_time = tick_time + interval '1s' where tick_id = (select max(tick_id) from pgq.tick)`)
	f.fails(attach(londiste.AttachOptions{}), "it is no copy of this provider", "")
	f.exec(f.subConn, `update pgq.tick set tick_time = tick_time - interval '1s' where tick_id = (select max(tick_id) from pgq.tick)`)
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
