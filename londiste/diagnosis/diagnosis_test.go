package diagnosis

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const shapes = `create table entry (id serial primary key, item text); create table note (id int primary key, txt text);
	select setval('entry_id_seq', 3)`

func fresh(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, shapes)
	return err
}

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

// bench is a pair of databases, with connections as their owner and as superuser.
type bench struct {
	*testing.T
	set.Pair
	provider, subscriber           *pgx.Conn
	providerAdmin, subscriberAdmin *pgx.Conn
}

func newBench(t *testing.T, setup pgtest.Setup) *bench {
	t.Helper()
	prov, sub := pgtest.Database(t, pgtest.Server(t), setup), pgtest.Database(t, pgtest.Second(t), setup)
	return &bench{
		t,
		set.Pair{Job: "job", Queue: "londiste.write", Provider: pgtest.Config(t, prov), Subscriber: pgtest.Config(t, sub)},
		pgtest.Connect(t, prov), pgtest.Connect(t, sub),
		pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, prov)), pgtest.Admin(t, pgtest.Second(t), pgtest.DBName(t, sub)),
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// atWorkPair is a pair at work: daemons run until stop, tables are in sync.
func atWorkPair(t *testing.T) (b *bench, stop func()) {
	b = newBench(t, fresh)
	ctx := t.Context()
	prov, sub := &londiste.Provider{Pair: b.Pair}, &londiste.Subscriber{Pair: b.Pair}
	all := londiste.Selection{All: true}
	b.ok(prov.Install(ctx, install))
	b.ok(sub.Install(ctx, install))
	b.ok(prov.AddTables(ctx, all, londiste.Capture{}))
	b.ok(prov.AddSeqs(ctx, all))
	b.ok(sub.AddTables(ctx, all, londiste.AddOptions{ExpectSync: true}))
	b.ok(sub.AddSeqs(ctx, all))
	pgtest.Start(t, "ticker", (&ticker.Ticker{Database: b.Pair.Provider}).Run)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- (&replay.Worker{Pair: b.Pair}).Run(ctx) }()
	return b, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("replay: %v", err)
		}
	}
}

// examine returns what is wrong as "side check result object: text -> mend". The
// servers, which all tests share, are not looked at: package doctor's tests do.
func (b *bench) examine(tables ...string) (wrong []string) {
	b.Helper()
	pairs := slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return c.Name == "server" })
	found, err := examine(b.Context(), &b.Pair, Options{Schema: schema.Number, Tables: tables}, pairs)
	b.ok(err)
	return told(b.T, found)
}

func told(t *testing.T, found []doctor.Finding) (wrong []string) {
	t.Helper()
	for _, f := range found {
		switch {
		case f.Result == doctor.Sound || f.Check == "autovacuum" || f.Check == "settings":
		case f.Why == "" || f.Mend == "":
			t.Errorf("%+v does not say why it matters, or what to do", f)
		default:
			wrong = append(wrong, strings.TrimPrefix(f.Side+" ", " ")+f.Check+" "+string(f.Result)+" "+f.Object+": "+f.Text+" -> "+f.Mend)
		}
	}
	return wrong
}

// trouble is made by a statement, and ended by another.
type trouble struct {
	at           func(b *bench) *pgx.Conn
	breaks, mend string
	tables       []string
	want         []string // beginnings of all that is found then
}

func atProvider(b *bench) *pgx.Conn        { return b.provider }
func atSubscriber(b *bench) *pgx.Conn      { return b.subscriber }
func asProviderAdmin(b *bench) *pgx.Conn   { return b.providerAdmin }
func asSubscriberAdmin(b *bench) *pgx.Conn { return b.subscriberAdmin }

// tell makes the trouble, wants it told and nothing else beside what stood
// before, and ends it.
func (c trouble) tell(b *bench, before []string) {
	b.Helper()
	for _, sql := range strings.Split(c.breaks, "; ") {
		pgtest.Exec(b.T, c.at(b), sql)
	}
	found := b.examine(c.tables...)
	for _, sql := range strings.Split(c.mend, "; ") {
		pgtest.Exec(b.T, c.at(b), sql)
	}
	found = slices.DeleteFunc(found, func(f string) bool { return slices.Contains(before, f) })
	if len(found) != len(c.want) {
		b.Errorf("after %s found %q, want %q", c.breaks, found, c.want)
		return
	}
	for _, want := range c.want {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want) }) {
			b.Errorf("after %s found %q, want %q", c.breaks, found, want)
		}
	}
}

// atWork are troubles of a pair whose daemons run.
var atWork = map[string]trouble{
	"schema":           {atSubscriber, `update skytools.installation set version = version - 1`, `update skytools.installation set version = version + 1`, nil, []string{"subscriber schema warning : the database has version "}},
	"database rights":  {asSubscriberAdmin, `do $$ begin execute format('revoke temporary on database %I from public, app', current_database());end $$`, `do $$ begin execute format('grant temporary on database %I to app', current_database());end $$`, nil, []string{"subscriber database rights warning : role app may not: interrupted copies begin anew"}},
	"owner of schemas": {asProviderAdmin, `alter schema skytools owner to postgres`, `alter schema skytools owner to app`, nil, []string{"provider database rights failed : schema skytools belongs to postgres, and role app is no member of it"}},
	"view":             {atProvider, `create view seen as select 1 as x`, `drop view seen`, []string{"seen"}, []string{"provider tables failed public.seen: it is a view, not a table", "subscriber target tables warning public.seen"}},
	"no such table":    {atProvider, `select 1`, `select 1`, []string{"nosuch"}, []string{"provider tables failed public.nosuch: it does not exist at the provider", "subscriber target tables warning public.nosuch"}},
	"partition":        {atProvider, `create table root (id int primary key) partition by range (id); create table leaf partition of root default`, `drop table root`, []string{"root", "leaf"}, []string{"provider tables failed public.leaf: it is a partition of public.root", "subscriber target tables warning public.root", "subscriber target tables warning public.leaf"}},
	"no key":           {atProvider, `create table odd (v text)`, `drop table odd`, []string{"odd"}, []string{"provider keys failed public.odd: it has no key -> alter table public.odd add primary key (…), or londiste INI provider add public.odd --no-key", "subscriber target tables "}},
	"nullable key":     {atProvider, `create table odd (v text unique)`, `drop table odd`, []string{"odd"}, []string{"provider keys failed public.odd: its unique index odd_v_key is on columns that may be NULL -> alter table public.odd alter column v set not null, then londiste INI provider add public.odd --key odd_v_key", "subscriber target tables "}},
	"unique key":       {atProvider, `create table odd (v text not null unique)`, `drop table odd`, []string{"odd"}, []string{"provider keys warning public.odd: it has no primary key, but unique index odd_v_key -> londiste INI provider add public.odd --key odd_v_key", "subscriber target tables "}},
	"deferrable key":   {atProvider, `create table odd (v text primary key deferrable)`, `drop table odd`, []string{"odd"}, []string{"provider keys warning public.odd: its key odd_pkey is deferrable", "subscriber target tables "}},
	"columns":          {atProvider, `create table odd (v int primary key, picture oid, kind regclass)`, `drop table odd`, []string{"odd"}, []string{"provider columns warning public.odd: column picture is of type oid: if it names large objects", "provider columns warning public.odd: column kind is of type regclass", "subscriber target tables "}},
	"rights":           {asProviderAdmin, `create table odd (v int primary key)`, `drop table odd`, []string{"odd"}, []string{"provider rights failed public.odd: role app lacks select, trigger on public.odd -> grant select, trigger on public.odd to app", "provider owners warning public.odd: it belongs to postgres", "subscriber target tables "}},
	"row security":     {atProvider, `alter table note enable row level security; alter table note force row level security`, `alter table note no force row level security; alter table note disable row level security`, nil, []string{"provider rights failed public.note: row level security hides rows of it", "provider drift failed : table public.note is drifted: row level security changed: off -> forced", "structure warning : 2 differences"}},
	"bypass by role":   {asProviderAdmin, `alter role app set session_replication_role = replica`, `alter role app reset session_replication_role`, nil, []string{"provider bypass failed : role app has session_replication_role = replica -> alter role app reset session_replication_role"}},
	"bypass natively":  {asProviderAdmin, `create subscription s connection '' publication p with (connect = false, slot_name = none, enabled = false); insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'note'::regclass, 'r' from pg_subscription where subname = 's'`, `drop subscription s`, nil, []string{"provider bypass failed public.note: subscription s of native replication writes to it, as a replica"}},
	"capture":          {atProvider, `insert into londiste.table_info (queue_name, table_name, local, merge_state) values ('londiste.write', 'public.other', true, 'ok')`, `delete from londiste.table_info where table_name = 'public.other'`, nil, []string{"provider tables failed public.other: it does not exist", "provider capture failed public.other: it is registered, and not captured", "subscriber target tables warning public.other"}},
	"drift":            {atProvider, `alter table note disable trigger user`, `alter table note enable trigger user`, nil, []string{"provider drift failed : table public.note is drifted: trigger "}},
	"queue":            {atProvider, `update pgq.queue set queue_ticker_paused = true`, `update pgq.queue set queue_ticker_paused = false`, nil, []string{"provider switches warning londiste.write: its ticker is paused"}},
	"another queue":    {atProvider, `select pgq.create_queue('other'); update pgq.queue set queue_ticker_paused = true where queue_name = 'other'`, `select pgq.drop_queue('other')`, nil, nil},
	"target owner":     {asSubscriberAdmin, `alter table note owner to postgres`, `alter table note owner to app`, nil, []string{"subscriber target rights failed public.note: it belongs to postgres, and role app is no member of it -> grant postgres to app", "structure warning : 1 differences"}},
	"target rights":    {asSubscriberAdmin, `revoke insert, truncate on note from app`, `grant insert, truncate on note to app`, nil, []string{"subscriber target rights failed public.note: role app lacks insert, truncate -> grant insert, truncate on public.note to app"}},
	"target schema":    {atProvider, `create schema new; create table new.odd (v int primary key)`, `drop schema new cascade`, []string{"new.odd"}, []string{"subscriber target tables warning new.odd: it is not there yet -> londiste INI subscriber add new.odd --create"}},
	"triggers":         {atSubscriber, `create trigger suppress before update on note for each row execute function suppress_redundant_updates_trigger()`, `drop trigger suppress on note`, nil, []string{"subscriber triggers warning public.note: trigger suppress fires on replicated rows"}},
	"rules":            {atSubscriber, `create rule gone as on update to note do instead nothing`, `drop rule gone on note`, nil, []string{"subscriber triggers failed public.note: rule gone rewrites the statements", "structure "}},
	"structure":        {atSubscriber, `alter table note drop column txt`, `alter table note add column txt text`, nil, []string{"structure failed public.note: "}},
	"sequence's end":   {atProvider, `alter sequence entry_id_seq maxvalue 3`, `alter sequence entry_id_seq no maxvalue`, nil, []string{"sequences failed public.entry_id_seq: it is at 3 of 3 at the provider -> alter sequence public.entry_id_seq as bigint maxvalue", "structure warning : 1 differences"}},
}

// atRest are troubles of one whose worker has ended.
var atRest = map[string]trouble{
	"node":             {atSubscriber, `update pgq_node.node_info set node_type = 'root'`, `update pgq_node.node_info set node_type = 'leaf'`, nil, []string{`subscriber node failed : the database is root node "job" of queue londiste.write`}},
	"claim":            {atProvider, `update skytools.claim set database_oid = database_oid + 1`, `update skytools.claim set database_oid = database_oid - 1`, nil, []string{"claim failed job: the consumer belongs to another database, "}},
	"sequence's range": {atSubscriber, `alter sequence entry_id_seq minvalue 4 start 4 restart 4`, `alter sequence entry_id_seq minvalue 1 start 1 restart 3`, nil, []string{"sequences failed public.entry_id_seq: it is at 3 at the provider, and goes from 4 to 2147483647", "structure warning : "}},
	"sequence's right": {asSubscriberAdmin, `revoke update on sequence entry_id_seq from app`, `grant update on sequence entry_id_seq to app`, nil, []string{"sequences failed public.entry_id_seq: role app may not set it at the subscriber -> grant update"}},
	"errors":           {atSubscriber, `update pgq_node.local_state set cur_error = 'boom' where consumer_name = 'job'`, `update pgq_node.local_state set cur_error = null`, nil, []string{"subscriber worker failed : replay does not run for consumer job, and the provider keeps its events -> first what its error wants", "subscriber errors failed : job: boom"}},
	"parked":           {atSubscriber, `insert into skytools.parked_table (queue_name, table_name, tick_id, error) values ('londiste.write', 'public.note', 1, 'boom')`, `delete from skytools.parked_table`, nil, []string{"subscriber parked failed : table public.note is parked at tick 1"}},
	"passed over":      {atSubscriber, `insert into skytools.skipped_event (queue_name, table_name, ev_id) values ('londiste.write', 'public.note', 1)`, `delete from skytools.skipped_event`, nil, []string{"subscriber passed over warning : table public.note: subscriber skip passed over 1 event"}},
	"diverged":         {atSubscriber, `insert into skytools.table_counter (queue_name, consumer_name, table_name, diverged) values ('londiste.write', 'job', 'public.note', 2)`, `delete from skytools.table_counter`, nil, []string{"subscriber diverged warning : table public.note: not as expected at the subscriber, and set right: 2 rows"}},
	"unregistered":     {atProvider, `update londiste.table_info set local = false where table_name = 'public.note'`, `update londiste.table_info set local = true`, nil, []string{"subscriber unregistered warning : table public.note is not registered at the provider any more"}},
	"disabled":         {atSubscriber, `insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl) values ('londiste.write', 'public.note', 'trigger', 't', '')`, `delete from skytools.pending_ddl`, nil, []string{"subscriber disabled warning : triggers of table public.note are disabled: t"}},
	"dropped":          {atSubscriber, `insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl) values ('londiste.write', 'public.note', 'index', 'i', '')`, `delete from skytools.pending_ddl`, nil, []string{"subscriber dropped for a copy warning public.note: it is in sync, and of its indexes and constraints are not back: 1"}},
	"foreign keys":     {atSubscriber, `insert into londiste.pending_fkeys values ('public.note', 'public.entry', 'f', 'alter table note add foreign key (id) references entry')`, `delete from londiste.pending_fkeys`, nil, []string{"subscriber foreign keys warning public.note: foreign key \"f\" to public.entry is not back"}},
}

// TestExamine breaks one thing after another, wants it told with nothing else,
// and mends it.
func TestExamine(t *testing.T) {
	b, stop := atWorkPair(t)
	var before []string
	pgtest.Eventually(t, 20*time.Second, "a pair without trouble", func() bool {
		before = b.examine()
		return len(before) == 0
	})
	for name, c := range atWork {
		t.Run(name, func(t *testing.T) {
			c.tell(&bench{t, b.Pair, b.provider, b.subscriber, b.providerAdmin, b.subscriberAdmin}, before)
		})
	}
	stop()
	before = b.examine()
	if len(before) != 1 || !strings.HasPrefix(before[0], "subscriber worker failed : replay does not run for consumer job") {
		t.Errorf("without a worker found %q", before)
	}
	for name, c := range atRest {
		t.Run(name, func(t *testing.T) {
			c.tell(&bench{t, b.Pair, b.provider, b.subscriber, b.providerAdmin, b.subscriberAdmin}, before)
		})
	}
	// A worker that hangs has the lock, and is silent.
	pgtest.Exec(t, b.subscriber, `select pg_advisory_lock(`+set.LockKeySQL+`)`, "londiste.write", "job")
	if wrong := b.examine(); len(wrong) != 0 {
		t.Errorf("with a worker found %q", wrong)
	}
	pgtest.Exec(t, b.subscriber, `update skytools.worker_state set updated_at = now() - interval '2 minutes'`)
	pgtest.Exec(t, b.subscriber, `update skytools.lease set taken_at = now() - interval '2 minutes'`)
	if wrong := b.examine(); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "subscriber lease failed : ") {
		t.Errorf("with a silent worker found %q", wrong)
	}
	if wrong := b.examine(); slices.Equal(wrong, before) {
		t.Errorf("found %q", wrong)
	}
}

// TestBare: two empty databases, then one side installed, then one that does not
// answer.
func TestBare(t *testing.T) {
	b := newBench(t, nil)
	want := []string{"provider schema failed : nothing is installed", "subscriber schema failed : nothing is installed"}
	check := func(state string, want ...string) {
		t.Helper()
		found := b.examine()
		if len(found) != len(want) {
			t.Errorf("%s: found %q, want %q", state, found, want)
			return
		}
		for i, w := range want {
			if !strings.HasPrefix(found[i], w) {
				t.Errorf("%s: found %q, want %q", state, found[i], w)
			}
		}
	}
	check("bare", want...)
	pgtest.Exec(t, b.providerAdmin, `do $$ begin execute format('revoke create on database %I from app', current_database());end $$`)
	check("without rights", want[0], want[1], "provider database rights failed : role app may not create schemas in database ")
	pgtest.Exec(t, b.providerAdmin, `do $$ begin execute format('grant create on database %I to app', current_database());end $$`)
	pgtest.Exec(t, b.provider, `create table "Odd one" (v text)`)
	check("with a table", want[0], want[1], `provider keys failed public."Odd one": it has no key -> alter table public."Odd one" add primary key (…), or londiste INI provider add 'public."Odd one"' --no-key`, "subscriber target tables warning")
	pgtest.Exec(t, b.provider, `drop table "Odd one"`)
	b.ok((&londiste.Subscriber{Pair: b.Pair}).Install(t.Context(), install))
	check("with a subscriber", want[0], "subscriber worker failed : ")
	dead := b.Pair.Provider.Copy()
	dead.Port, dead.Fallbacks = 1, nil
	b.Pair.Provider = dead
	check("without a provider", "provider connection unknown : cannot reach the provider database ", "subscriber worker failed")
}

// TestSameDatabase: provider and subscriber in one.
func TestSameDatabase(t *testing.T) {
	b := newBench(t, nil)
	b.Pair.Subscriber = b.Pair.Provider
	if found := b.examine(); !slices.ContainsFunc(found, func(f string) bool {
		return strings.HasPrefix(f, "databases failed : provider_db and subscriber_db are the same database")
	}) {
		t.Errorf("found %q", found)
	}
}

func TestClocks(t *testing.T) {
	b := newBench(t, nil)
	calls := 0
	x := &exam{Pair: &b.Pair, provider: &side{conn: b.provider}, subscriber: &side{conn: b.subscriber}, now: func() time.Time {
		calls++
		if calls > 2 { // while the subscriber is asked
			return time.Now().Add(time.Hour)
		}
		return time.Now()
	}}
	found, err := clocksOf(t.Context(), view{x, nil})
	if err != nil || len(found) != 1 || !strings.HasPrefix(found[0].Text, "the clocks of provider and subscriber differ by 3600s") && !strings.HasPrefix(found[0].Text, "the clocks of provider and subscriber differ by 3599") {
		t.Errorf("%+v, %v", found, err)
	}
	x.now = time.Now
	if found, err := clocksOf(t.Context(), view{x, nil}); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestJudgeEncodings(t *testing.T) {
	for _, c := range []struct {
		prov, sub string
		wrong     int
	}{{"UTF8", "UTF8", 0}, {"LATIN1", "UTF8", 0}, {"UTF8", "LATIN1", 1}, {"SQL_ASCII", "UTF8", 1}, {"UTF8", "SQL_ASCII", 1}} {
		if got := judgeEncodings(c.prov, c.sub); len(got) != c.wrong {
			t.Errorf("%s to %s: %+v", c.prov, c.sub, got)
		}
	}
}

// TestEveryCheckFails: a check without a trouble that sets it off is not known to
// look at anything.
func TestEveryCheckFails(t *testing.T) {
	text := ""
	for _, all := range []map[string]trouble{atWork, atRest} {
		for _, c := range all {
			text += strings.Join(c.want, "\n") + "\n"
		}
	}
	elsewhere := []string{"connection", "server", "databases", "clocks", "encodings", "queue", "worker", "lease"}
	for _, c := range checks {
		if !slices.Contains(elsewhere, c.Name) && !strings.Contains(text, c.Name+" ") {
			t.Errorf("no trouble sets off %s", c.Name)
		}
	}
}

// TestTablesAgreeWithCapture: what the doctor passes over, provider add takes;
// what it names is refused.
func TestTablesAgreeWithCapture(t *testing.T) {
	b := newBench(t, nil)
	b.ok((&londiste.Provider{Pair: b.Pair}).Install(t.Context(), install))
	pgtest.ExecAll(
		t, b.providerAdmin,
		`create table plain (id int primary key)`, `create view seen as select 1 as x`, `create materialized view kept as select 1 as x`,
		`create sequence numbers`, `create unlogged table fast (id int primary key)`,
		`create foreign data wrapper w`, `create server s foreign data wrapper w`, `create foreign table far (id int) server s`,
		`create table root (id int) partition by range (id)`, `create foreign table leaf partition of root default server s`,
		`create table mixed (id int) partition by range (id)`, `create table "part 1" partition of mixed default`,
		`create table mine (id int primary key)`, `alter table mine enable row level security`,
		`grant select, trigger on all tables in schema public to app`, `revoke select on "part 1" from app`, `revoke trigger on mine from app`,
		`create table guarded (id int primary key)`, `alter table guarded enable row level security`, `grant select, trigger on guarded to app`,
	)
	for _, name := range []string{"plain", "seen", "kept", "numbers", "fast", "far", "root", "mixed", "mine", "guarded", "nosuch", "pgq.queue"} {
		n := strings.TrimPrefix(name, "pgq.")
		in := "public"
		if n != name {
			in = "pgq"
		}
		_, refused := b.provider.Exec(t.Context(), `select skytools.capture_table($1, $2)`, in, n)
		found := slices.DeleteFunc(b.examine(name), func(f string) bool {
			return !strings.HasPrefix(f, "provider tables ") && !strings.HasPrefix(f, "provider rights ")
		})
		if (refused != nil) != (len(found) > 0) {
			t.Errorf("%s: capture says %v, doctor %q", name, refused, found)
		}
	}
}

// TestExamineAsSuperuserUnderForeignPath: operators in public are not called.
func TestExamineAsSuperuserUnderForeignPath(t *testing.T) {
	b := newBench(t, fresh)
	for _, conn := range []*pgx.Conn{b.providerAdmin, b.subscriberAdmin} {
		pgtest.ExecAll(
			t, conn,
			`create function public.trap(oid, regclass) returns bool language plpgsql as $$ begin raise 'trapped'; end $$`,
			`create operator public.= (leftarg = oid, rightarg = regclass, function = public.trap)`,
			`create function public.trap(text, int) returns text language plpgsql as $$ begin raise 'trapped'; end $$`,
			`create operator public.|| (leftarg = text, rightarg = int, function = public.trap)`,
		)
	}
	b.Pair.Provider, b.Pair.Subscriber = b.Pair.Provider.Copy(), b.Pair.Subscriber.Copy()
	b.Pair.Provider.User, b.Pair.Subscriber.User = pgserver.Superuser, pgserver.Superuser
	managed, err := Managed(t.Context(), &b.Pair)
	b.ok(err)
	for _, f := range append(b.examine(), told(t, managed)...) {
		if strings.Contains(f, "trapped") || strings.Contains(f, " unknown ") {
			t.Error(f)
		}
	}
}
