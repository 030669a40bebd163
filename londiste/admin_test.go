package londiste_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/logfile"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
)

const shapes = `
	create table entry (id serial primary key, item text);
	create table note (id int primary key, entry_id int references entry, txt text);
	create table "Odd.Name" ("Id" int primary key, v text);
	create table keyless (v text);
	create table other_key (a int not null unique, v text);
	create function noop() returns trigger language plpgsql as 'begin return new; end';`

// pair is two databases and what a test does with them.
type pair struct {
	t        *testing.T
	prov     *londiste.Provider
	sub      *londiste.Subscriber
	provDSN  string
	subDSN   string
	provConn *pgx.Conn
	subConn  *pgx.Conn
	log      *bytes.Buffer
}

func fresh(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, shapes)
	return err
}

func installed(ctx context.Context, conn *pgx.Conn) error {
	if err := fresh(ctx, conn); err != nil {
		return err
	}
	return install(ctx, conn)
}

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	return err
}

func newPair(t *testing.T, setup pgtest.Setup) *pair {
	t.Helper()
	return newPairOn(t, pgtest.Server(t), pgtest.Second(t), setup)
}

func newPairOn(t *testing.T, provider, subscriber *pgserver.Server, setup pgtest.Setup) *pair {
	t.Helper()
	p := &pair{
		t: t, log: &bytes.Buffer{},
		provDSN: pgtest.Database(t, provider, setup),
		subDSN:  pgtest.Database(t, subscriber, setup),
	}
	p.provConn, p.subConn = pgtest.Connect(t, p.provDSN), pgtest.Connect(t, p.subDSN)
	values := set.Pair{
		Job: "job", Queue: "londiste.write", LockTimeout: 2 * time.Second,
		Provider: p.provConn.Config(), Subscriber: p.subConn.Config(),
		Log: slog.New(logfile.NewConsole(p.log, slog.LevelInfo)),
	}
	p.prov, p.sub = &londiste.Provider{Pair: values}, &londiste.Subscriber{Pair: values}
	return p
}

// ready is a pair with both sides installed.
func ready(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	p.log.Reset()
	return p
}

func (p *pair) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%v (hint: %s)", err, hint.Of(err))
	}
}

// fails wants an error and a hint that contain the texts.
func (p *pair) fails(err error, text, advice string) {
	p.t.Helper()
	switch {
	case err == nil:
		p.t.Fatalf("no error, want: %s", text)
	case !strings.Contains(err.Error(), text):
		p.t.Fatalf("error %q, want: %s", err, text)
	case !strings.Contains(hint.Of(err), advice):
		p.t.Fatalf("hint %q of %q, want: %s", hint.Of(err), err, advice)
	}
}

func (p *pair) logged(text string) {
	p.t.Helper()
	if !strings.Contains(p.log.String(), text) {
		p.t.Fatalf("not logged: %s\n%s", text, p.log)
	}
	p.log.Reset()
}

func (p *pair) exec(conn *pgx.Conn, sql string) {
	p.t.Helper()
	_, err := conn.Exec(p.t.Context(), sql)
	p.ok(err)
}

func value[T any](p *pair, conn *pgx.Conn, sql string, args ...any) T {
	p.t.Helper()
	rows, err := conn.Query(p.t.Context(), sql, args...)
	p.ok(err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	p.ok(err)
	return v
}

func named(names ...string) londiste.Selection { return londiste.Selection{Names: names} }

func pub(names ...string) []ident.Name {
	var all []ident.Name
	for _, n := range names {
		all = append(all, ident.Name{Schema: "public", Name: n})
	}
	return all
}

func (p *pair) same(got, want any) {
	p.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		p.t.Fatal(d)
	}
}

func TestInstallInEitherOrderAndAgain(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"provider", "subscriber"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, fresh)
			prov := func() { p.ok(p.prov.Install(t.Context(), install)) }
			sub := func() { p.ok(p.sub.Install(t.Context(), install)) }
			if first == "subscriber" {
				prov, sub = sub, prov
			}
			prov()
			sub()
			before := pgtest.CatalogFingerprint(t, p.provDSN) + pgtest.CatalogFingerprint(t, p.subDSN)
			prov()
			sub()
			if after := pgtest.CatalogFingerprint(t, p.provDSN) + pgtest.CatalogFingerprint(t, p.subDSN); after != before {
				t.Error("the second install changed the catalogue")
			}
			p.same(value[string](p, p.provConn, "select node_type || ' ' || node_name from pgq_node.node_info"), "root root")
			p.same(value[string](p, p.subConn, "select node_type || ' ' || node_name || ' ' || worker_name from pgq_node.node_info"), "leaf job job")
		})
	}
}

func TestProviderTables(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", `"Odd.Name"`), londiste.Capture{}))
	p.logged("Adding public.entry")
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.logged("Table public.entry already added")
	got, err := p.prov.Tables(ctx)
	p.ok(err)
	p.same(got, pub("entry", "Odd.Name"))

	before := pgtest.CatalogFingerprint(t, p.provDSN)
	p.fails(p.prov.AddTables(ctx, named("note", "keyless"), londiste.Capture{}), "table public.keyless has no primary key", "--key INDEX")
	p.fails(p.prov.AddTables(ctx, named("note", "nosuch"), londiste.Capture{}), "table public.nosuch does not exist at the provider", "public")
	p.fails(p.prov.AddTables(ctx, named("note", "z*"), londiste.Capture{}), "no tables found at the provider that match z*", "glob")
	p.fails(p.prov.AddTables(ctx, named("pgq.queue"), londiste.Capture{}), "table pgq.queue belongs to the machinery", "")
	p.fails(p.prov.AddTables(ctx, named("other_key"), londiste.Capture{Key: "nosuch"}), "nosuch is no usable key", "unique index")
	if pgtest.CatalogFingerprint(t, p.provDSN) != before {
		t.Error("a refused add changed the catalogue")
	}
	p.ok(p.prov.AddTables(ctx, named("other_key"), londiste.Capture{Key: "other_key_a_key"}))

	p.fails(p.prov.RemoveTables(ctx, named("note")), "Table public.note not attached to queue", "")
	p.ok(p.prov.RemoveTables(ctx, londiste.Selection{All: true}))
	got, err = p.prov.Tables(ctx)
	p.ok(err)
	p.same(got, []ident.Name(nil))
	p.same(value[int64](p, p.provConn, "select count(*) from pg_trigger where starts_with(tgname, '_londiste')"), int64(0))
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	before := pgtest.CatalogFingerprint(t, p.provDSN)
	p.prov.Fake = true
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.logged("rolled back")
	if pgtest.CatalogFingerprint(t, p.provDSN) != before {
		t.Error("a dry run changed the catalogue")
	}
	got, err := p.prov.Tables(ctx)
	p.ok(err)
	p.same(got, []ident.Name(nil))
}

func TestProviderWithoutQueue(t *testing.T) {
	t.Parallel()
	p := newPair(t, fresh)
	p.fails(p.prov.AddTables(t.Context(), named("entry"), londiste.Capture{}), "Event queue does not exist yet", "provider install")
	p.ok(install(t.Context(), p.provConn))
	p.fails(p.prov.AddTables(t.Context(), named("entry"), londiste.Capture{}), "Event queue does not exist yet", "provider install")
}

func TestLockTimeout(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.prov.LockTimeout = time.Second
	tx, err := p.provConn.Begin(ctx)
	p.ok(err)
	_, err = tx.Exec(ctx, "insert into entry (item) values ('x')")
	p.ok(err)
	start := time.Now()
	p.fails(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}), "table public.entry at the provider is locked", "idle in transaction")
	if d := time.Since(start); d < time.Second || d > 5*time.Second {
		t.Errorf("gave up after %s", d)
	}
	p.ok(tx.Commit(ctx))
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
}

func TestSequences(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.fails(p.sub.AddSeqs(ctx, named("entry_id_seq")), "Seq public.entry_id_seq does not exist on provider side", "provider add-seq")
	p.ok(p.prov.AddSeqs(ctx, londiste.Selection{All: true}))
	p.ok(p.prov.AddSeqs(ctx, named("entry_id_seq")))
	p.logged("Seq public.entry_id_seq already subscribed")
	got, err := p.prov.Seqs(ctx)
	p.ok(err)
	p.same(got, pub("entry_id_seq"))
	p.ok(p.sub.AddSeqs(ctx, named("entry_id_s*")))
	got, err = p.sub.Seqs(ctx)
	p.ok(err)
	p.same(got, pub("entry_id_seq"))
	p.exec(p.provConn, "create sequence late")
	p.ok(p.prov.AddSeqs(ctx, named("late")))
	p.fails(p.sub.AddSeqs(ctx, named("late")), "Seq public.late does not exist on subscriber side", "")
	p.ok(p.sub.RemoveSeqs(ctx, named("entry_id_seq")))
	p.fails(p.sub.RemoveSeqs(ctx, named("entry_id_seq")), "Seq public.entry_id_seq not attached", "")
	p.fails(p.prov.AddSeqs(ctx, named("nosuch")), "sequence public.nosuch does not exist at the provider", "")
}

func TestSubscriberTables(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	add := func(opt londiste.AddOptions, names ...string) error {
		return p.sub.AddTables(ctx, named(names...), opt)
	}
	p.fails(add(londiste.AddOptions{}, "entry"), "Table public.entry not attached to queue", "provider add")
	p.ok(p.prov.AddTables(ctx, named("entry", "note", `"Odd.Name"`), londiste.Capture{}))
	p.fails(add(londiste.AddOptions{}, "z*"), "No tables found that match z*", "provider tables")
	p.fails(add(londiste.AddOptions{ExpectSync: true, SkipTruncate: true}, "entry"), "Too many options", "")
	p.ok(add(londiste.AddOptions{}, "entry"))
	p.logged("Adding public.entry")
	p.ok(add(londiste.AddOptions{}, "entry"))
	p.logged("Table public.entry already added")
	p.ok(add(londiste.AddOptions{ExpectSync: true}, "note"))
	p.ok(add(londiste.AddOptions{SkipTruncate: true}, `"Odd.Name"`))
	list, err := p.sub.Tables(ctx)
	p.ok(err)
	var got []string
	for _, l := range list {
		text := l.Name.String() + " " + l.State.String()
		if l.SkipTruncate() {
			text += " skip"
		}
		got = append(got, text)
	}
	p.same(got, []string{"public.entry -", "public.note ok", `public."Odd.Name" - skip`})

	tables, seqs, err := p.sub.Missing(ctx)
	p.ok(err)
	p.same([]int{len(tables), len(seqs)}, []int{0, 0})
	p.exec(p.subConn, `insert into skytools.compared_table (queue_name, table_name, tick_id, compared_at, equal_at)
		select queue_name, table_name, 1, now(), now() from londiste.table_info`)
	p.ok(p.sub.RemoveTables(ctx, named("entry")))
	left := pgtest.One[string](t, p.subConn, "select string_agg(table_name, ' ' order by table_name) from skytools.compared_table")
	p.same(left, `public."Odd.Name" public.note`)
	tables, _, err = p.sub.Missing(ctx)
	p.ok(err)
	p.same(tables, pub("entry"))
}

func TestSubscriberRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.exec(p.subConn, "alter table entry drop column item")
	before := pgtest.CatalogFingerprint(t, p.subDSN)
	p.fails(p.sub.AddTables(ctx, named("note", "entry"), londiste.AddOptions{}), `column "item" of table public.entry does not exist at the subscriber`, "add column")
	if pgtest.CatalogFingerprint(t, p.subDSN) != before {
		t.Error("a refused add changed the catalogue")
	}
	list, err := p.sub.Tables(ctx)
	p.ok(err)
	p.same(len(list), 0)
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{Force: true}))
	p.logged("does not exist at the subscriber")

	admin := pgtest.Admin(t, pgtest.Second(t), pgtest.DBName(t, p.subDSN))
	p.exec(admin, "alter table note owner to postgres; grant all on note to "+pgtest.Role)
	p.fails(p.sub.AddTables(ctx, named("note"), londiste.AddOptions{}), "table public.note at the subscriber belongs to postgres", "owner to")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.ok(p.prov.AddSeqs(ctx, named("entry_id_seq")))
	p.ok(p.sub.AddSeqs(ctx, named("entry_id_seq")))
	found, err := p.sub.Check(ctx, londiste.Selection{})
	p.ok(err)
	p.same(len(found), 0)
	p.exec(p.subConn, `alter table entry alter column item type varchar(5); drop table note; alter sequence entry_id_seq increment 2`)
	found, err = p.sub.Check(ctx, londiste.Selection{})
	p.ok(err)
	var texts []string
	for _, d := range found {
		texts = append(texts, d.Text)
	}
	p.same(texts, []string{
		"increment of sequence public.entry_id_seq is 1 at the provider, 2 at the subscriber",
		`column "item" of table public.entry is text at the provider, character varying(5) at the subscriber`,
		"table public.note does not exist at the subscriber",
	})
	_, err = p.sub.Check(ctx, named("keyless"))
	p.fails(err, "Table public.keyless not attached", "")
}

func TestTriggersAreDisabledAndRestored(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.exec(p.subConn, `
		create trigger plain before insert on entry for each row execute function noop();
		create trigger always before insert on entry for each row execute function noop();
		create trigger off before insert on entry for each row execute function noop();
		alter table entry enable always trigger always;
		alter table entry disable trigger off;
		create trigger kept before insert on note for each row execute function noop();`)
	states := func() string {
		return value[string](p, p.subConn, `select string_agg(tgname || tgenabled::text, ' ' order by tgname)
			from pg_trigger where tgrelid = 'entry'::regclass and not tgisinternal`)
	}
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{}))
	p.same(states(), "alwaysD offD plainD")
	pending, active, err := p.sub.Triggers(ctx)
	p.ok(err)
	p.same([]int{len(pending), len(active)}, []int{2, 0})
	p.ok(p.sub.AddTables(ctx, named("note"), londiste.AddOptions{ExpectSync: true}))
	p.logged("Trigger kept on public.note fires on replicated rows")

	p.fails(p.sub.RestoreTriggers(ctx, "entry", []string{"nosuch"}), "has no trigger nosuch", "subscriber triggers")
	p.ok(p.sub.RestoreTriggers(ctx, "entry", []string{"always"}))
	p.same(states(), "alwaysA offD plainD")
	p.log.Reset()
	p.ok(p.sub.RestoreTriggers(ctx, "entry", []string{"always"}))
	p.logged("Trigger always on public.entry is already active.")
	p.ok(p.sub.RemoveTables(ctx, named("entry")))
	p.same(states(), "alwaysA offD plainO")
	p.log.Reset()
	p.ok(p.sub.RestoreTriggers(ctx, "entry", nil))
	p.logged("No pending triggers found for public.entry.")
}

func TestTriggersStayWhereTheRoleMayBeReplica(t *testing.T) {
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.exec(p.subConn, `
		create trigger plain before insert on entry for each row execute function noop();
		create trigger always before insert on entry for each row execute function noop();
		alter table entry enable always trigger always;`)
	admin := pgtest.Admin(t, pgtest.Second(t), pgtest.DBName(t, p.subDSN))
	pgtest.RequireVersion(t, pgtest.Second(t), 15, "before it only superusers may set session_replication_role")
	p.exec(admin, "grant set on parameter session_replication_role to "+pgtest.Role)
	t.Cleanup(func() {
		_, _ = admin.Exec(context.Background(), "revoke set on parameter session_replication_role from "+pgtest.Role)
	})
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{}))
	p.logged("Trigger always on public.entry is enabled for replicas")
	p.same(value[int64](p, p.subConn, "select count(*) from pg_trigger where tgenabled = 'D'"), int64(0))
}

func TestResync(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.ok(p.sub.AddTables(ctx, named("entry", "note"), londiste.AddOptions{ExpectSync: true}))
	p.log.Reset()
	err := p.sub.Resync(ctx, londiste.Selection{})
	p.fails(err, "", "resync --all")
	if !errors.Is(err, londiste.ErrNothingNamed) {
		t.Errorf("%v", err)
	}
	p.fails(p.sub.Resync(ctx, named("nosuch")), "Table public.nosuch not found", "")
	p.exec(p.subConn, "insert into skytools.table_counter (queue_name, consumer_name, table_name, events, diverged) values ('"+p.sub.Queue+"', '"+p.sub.ConsumerName()+"', 'public.entry', 9, 3)")
	diverged := func(want bool) {
		t.Helper()
		p.same(slices.ContainsFunc(p.sub.ReadStatus(ctx).Problems, func(pr londiste.Problem) bool { return pr.Kind == londiste.Diverged }), want)
	}
	diverged(true)
	p.ok(p.sub.Resync(ctx, named("entry")))
	diverged(false) // the command that it named has mended it
	p.logged("Resyncing public.entry")
	p.fails(p.sub.Resync(ctx, named("entry")), "Table public.entry is not in stable state", "-")
	p.ok(p.sub.Resync(ctx, londiste.Selection{All: true}))
	p.logged("Resyncing public.note")
	p.same(value[int64](p, p.subConn, "select count(*) from londiste.table_info where merge_state is null"), int64(2))
}

func TestStatusOfALateTicker(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	late := func(pr londiste.Problem) bool {
		return pr.Kind == londiste.Ticker && strings.Contains(pr.Text, "has had no tick for 6") && strings.Contains(pr.Text, "wait for one: 1)")
	}
	p.same(slices.ContainsFunc(p.sub.ReadStatus(ctx).Problems, late), false)
	p.exec(p.provConn, `update pgq.tick set tick_time = now() - interval '10 minutes'`)
	p.exec(p.provConn, `select pgq.insert_event('`+p.sub.Queue+`', 'type', 'data')`)
	if st := p.sub.ReadStatus(ctx); !slices.ContainsFunc(st.Problems, late) {
		t.Errorf("%+v", st.Problems)
	}
}

func TestDriftedTableIsCapturedAnew(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{Row: true}))
	p.exec(p.provConn, "alter table entry add column more int")
	st := p.sub.ReadStatus(ctx)
	mended := func(pr londiste.Problem) bool { return strings.Contains(pr.Mend, "provider add public.entry") }
	if st.Tables[0].Drift == "" || !slices.ContainsFunc(st.Problems, mended) {
		t.Fatalf("%+v", st)
	}
	p.log.Reset()
	p.ok(p.prov.AddTables(ctx, named("ent*"), londiste.Capture{}))
	p.same(p.log.String(), "")
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.logged("Capturing public.entry anew")
	st = p.sub.ReadStatus(ctx)
	p.same(st.Tables[0].Capture+st.Tables[0].Drift, "row")
}

func TestTwoQueuesCaptureOneTable(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	other := *p.prov
	other.Queue = "other"
	p.ok(other.Install(ctx, install))
	p.ok(other.AddTables(ctx, named("entry"), londiste.Capture{}))
	const drifts = "select string_agg(d.drift, '; ') from pgq.queue q, skytools.capture_drift(q.queue_name) d"
	p.same(value[*string](p, p.provConn, drifts), (*string)(nil))
	p.ok(p.prov.RemoveTables(ctx, named("entry")))
	p.same(value[*string](p, p.provConn, drifts), (*string)(nil))
	p.exec(p.provConn, "alter table entry disable trigger _londiste_other_ins")
	p.same(*value[*string](p, p.provConn, drifts), "trigger _londiste_other_ins changed: on -> disabled")
}

func TestOptionsOfACaptureAreKept(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{Row: true}))
	p.logged("Capturing public.entry anew: other options")
	p.exec(p.provConn, "alter table entry disable trigger user")
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.same(value[string](p, p.provConn, "select mode from skytools.capture"), "row")
}

// A role with the rights TRIGGER and SELECT adds a table; only its owner can
// take the triggers away again.
func TestTablesOfOthers(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, p.provDSN))
	p.exec(admin, "create schema theirs; grant usage on schema theirs to public; create table theirs.t (id int primary key); grant select, trigger on theirs.t to "+pgtest.Role)
	p.ok(p.prov.AddTables(ctx, named("theirs.t"), londiste.Capture{}))
	p.log.Reset()
	p.ok(p.prov.RemoveTables(ctx, named("theirs.t")))
	p.logged("The table's owner has to run: drop trigger")
	p.exec(admin, "insert into theirs.t values (1)")
}

func TestRemoveInTheMiddleOfACopy(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{}))
	before := pgtest.CatalogFingerprint(t, p.subDSN)
	p.exec(p.subConn, `
		insert into londiste.pending_fkeys values ('public.note', 'public.entry', 'note_entry_id_fkey',
		    'ALTER TABLE ONLY public.note ADD CONSTRAINT note_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entry(id)');
		alter table note drop constraint note_entry_id_fkey;
		update londiste.table_info set merge_state = 'catching-up';
		insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl)
		values ('londiste.write', 'public.entry', 'index', 'entry_item', 'create index entry_item on public.entry (item)');
		insert into pgq_node.local_state values ('londiste.write', 'job.copy.public.entry', 'root', 1)`)
	p.exec(p.provConn, "select pgq.register_consumer('londiste.write', 'job.copy.public.entry')")
	p.ok(p.sub.RemoveTables(ctx, named("entry")))
	p.same(value[int64](p, p.subConn, `select (select count(*) from skytools.pending_ddl) + (select count(*) from londiste.pending_fkeys)
		+ (select count(*) from pgq_node.local_state) + (select count(*) from londiste.table_info)`), int64(0))
	p.same(value[int64](p, p.provConn, "select count(*) from pgq.get_consumer_info('londiste.write') where consumer_name ~ '^job'"), int64(0))
	p.exec(p.subConn, "drop index entry_item")
	if pgtest.CatalogFingerprint(t, p.subDSN) != before {
		t.Error("the foreign key did not come back as it was")
	}
}

func TestDryRunOfAnInstall(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t, fresh), t.Context()
	before := pgtest.CatalogFingerprint(t, p.provDSN)
	p.prov.Fake = true
	dry := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := schema.Install(ctx, conn, schema.Options{DryRun: true})
		return err
	}
	p.ok(p.prov.Install(ctx, dry))
	p.logged("Dry run")
	if pgtest.CatalogFingerprint(t, p.provDSN) != before {
		t.Error("a dry run changed the catalogue")
	}
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry", "note"), londiste.Capture{}))
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{}))
	pending, active, err := p.sub.ForeignKeys(ctx)
	p.ok(err)
	p.same(len(pending), 0)
	want := []londiste.ForeignKey{{
		From: pub("note")[0], To: pub("entry")[0], Name: "note_entry_id_fkey",
		Def: `ALTER TABLE ONLY public.note ADD CONSTRAINT "note_entry_id_fkey" FOREIGN KEY (entry_id) REFERENCES public.entry(id)`,
	}}
	p.same(active, want)
}

func TestStatusWithOneSideDown(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.ok(p.prov.AddSeqs(ctx, named("entry_id_seq")))
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{}))
	st := p.sub.ReadStatus(ctx)
	if !st.Reachable() || len(st.Tables) != 1 || len(st.Sequences) != 1 || st.Events == nil {
		t.Fatalf("%+v", st)
	}
	p.same(st.Tables[0].Capture, "statement")
	// Ticks from before the clock was put back do not lie in the future.
	p.ok(p.sub.Register(ctx, false))
	p.exec(p.provConn, `update pgq.tick set tick_time = now() + interval '1 hour'; update pgq.subscription set sub_active = now() + interval '1 hour'`)
	st = p.sub.ReadStatus(ctx)
	if len(st.Readers) != 1 || st.Readers[0].Lag != 0 || st.Readers[0].Seen != 0 || st.Events.TickAge != 0 {
		t.Errorf("figures: %+v, %+v", st.Readers, st.Events)
	}
	p.sub.Pair.Provider = p.provConn.Config().Copy()
	p.sub.Pair.Provider.Port = 1
	st = p.sub.ReadStatus(ctx)
	if st.Reachable() || st.Provider.Error == "" || !st.Subscriber.Reachable || len(st.Tables) != 1 {
		t.Fatalf("%+v", st)
	}
	p.same(st.Tables[0].State, "-")
}
