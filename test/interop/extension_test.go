package interop

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

// TestInstallBeside: an ordinary role installs what is ours, and nothing of
// the extension is touched.
func TestInstallBeside(t *testing.T) {
	dsn := extended(t, pgtest.Server(t))
	conn := pgtest.Connect(t, dsn)
	before := fingerprint(t, dsn, "pgq")
	if !strings.Contains(before, "pgq.insert_event_raw") || !strings.Contains(before, "extension pgq 3.") {
		t.Fatalf("the fingerprint is not of the extension:\n%s", before)
	}
	report := install(t, conn)
	if lines := strings.Join(report.Lines(), "\n"); !strings.Contains(lines, "pgq is an extension's and stays as it is") ||
		!strings.Contains(lines, "Installing skytools") || !strings.Contains(lines, "Installing pgq_node") {
		t.Errorf("lines:\n%s", lines)
	}
	same(t, "install", before, fingerprint(t, dsn, "pgq"))
	if !pgtest.One[bool](t, conn, `select skytools.beside_extension()`) {
		t.Error("it does not know where it is")
	}
	if again := install(t, conn); again.Changed() {
		t.Errorf("a second install changes something: %+v", again)
	}
	// Nor does anything that works change it.
	pgtest.Exec(t, conn, `select pgq.create_queue($1), pgq.register_consumer($1, 'c')`, queue)
	made := fingerprint(t, dsn, "pgq")
	pgtest.Exec(t, conn, `create table public.entry (id int primary key, item text)`)
	pgtest.Exec(t, conn, `select skytools.capture_install($1, 'public', 'entry')`, queue)
	pgtest.Exec(t, conn, `insert into entry values (1, 'a')`)
	tick(t, conn)
	maintain(t, conn)
	pgtest.Exec(t, conn, `select skytools.capture_remove($1, 'public', 'entry')`, queue)
	same(t, "use", made, fingerprint(t, dsn, "pgq"))
}

// TestRefusesBeside names what is missing.
func TestRefusesBeside(t *testing.T) {
	s := pgtest.Server(t)
	dsn := extended(t, s)
	name := pgtest.DBName(t, dsn)
	admin := pgtest.Admin(t, s, name)
	pgtest.Exec(t, admin, `create role nobody login`)
	t.Cleanup(func() { _, _ = pgtest.Admin(t, s, "postgres").Exec(context.Background(), `drop role nobody`) })
	before := pgtest.CatalogFingerprint(t, dsn)
	refused := func(role, text, advice string) {
		t.Helper()
		conn := pgtest.Connect(t, s.DSN(name, role))
		defer conn.Close(t.Context())
		_, err := schema.Install(t.Context(), conn, schema.Options{})
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), advice) {
			t.Errorf("%s: got %v (hint %q), want %q and %q", role, err, hint.Of(err), text, advice)
		}
	}
	refused("nobody", `role "nobody" has not the rights of pgq_admin`, "grant pgq_admin to nobody")
	pgtest.Exec(t, admin, `grant pgq_admin to nobody`)
	refused("nobody", `role "nobody" may not create schemas in database`, "grant create on database")
	pgtest.Exec(t, admin, `revoke pgq_admin from nobody`)
	if pgtest.CatalogFingerprint(t, dsn) != before {
		t.Error("a refused install left something behind")
	}
	pgtest.Exec(t, admin, `update pg_extension set extversion = '3.3.1' where extname = 'pgq'`)
	refused(pgtest.Role, "is of version 3.3.1, at least 3.4 is needed", "alter extension pgq update")

	var script bytes.Buffer
	if err := schema.Print(&script); err != nil {
		t.Fatal(err)
	}
	_, err := admin.Exec(t.Context(), script.String())
	if err == nil || !strings.Contains(err.Error(), "holds the extension pgq") {
		t.Errorf("the printed statements: %v", err)
	}
}

// TestTickerOnExtension: the ticks are the extension's own, at the time that
// the queue's settings ask for.
func TestTickerOnExtension(t *testing.T) {
	dsn, conn := beside(t)
	listener := pgtest.Connect(t, dsn)
	pgtest.Exec(t, listener, `listen `+pgq.TickChannel)
	startTicker(t, dsn)
	wait := func(within time.Duration) time.Duration {
		t.Helper()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		if _, err := listener.WaitForNotification(ctx); err != nil {
			t.Fatalf("no tick within %s: %v", within, err)
		}
		return time.Since(begin)
	}
	seq := func() pgq.EventID {
		return pgq.EventID(pgtest.One[int64](t, conn, `select last_value from `+pgtest.One[string](t, conn, `select queue_event_seq from pgq.queue`)))
	}
	if err := pgq.SetConfig(t.Context(), conn, queue, []pgq.Setting{{Name: "ticker_max_lag", Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `select pgq.ticker($1)`, queue)
	first := last(t, conn)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'one')`, queue)
	time.Sleep(300 * time.Millisecond)
	if last(t, conn).ID != first.ID {
		t.Error("max_lag was not waited for")
	}
	wait(10 * time.Second)
	if got := last(t, conn); got.ID != first.ID+1 || got.EventSeq != seq() {
		t.Errorf("tick %d, sequence %d, before %d", got.ID, got.EventSeq, first.ID)
	}
	before := last(t, conn)
	pgtest.Exec(t, conn, `select count(pgq.insert_event($1, 't', i::text)) from generate_series(1, 500) i`, queue)
	if d := wait(10 * time.Second); d > 900*time.Millisecond {
		t.Errorf("max_count was reached, ticked %s later", d)
	}
	// The tick may have come before that transaction's end: then another follows.
	pgtest.Eventually(t, 5*time.Second, "all 500 are ticked", func() bool { return len(between(t, conn, before, last(t, conn))) == 500 })

	if err := pgq.SetConfig(t.Context(), conn, queue, []pgq.Setting{{Name: "ticker_max_lag", Value: "0"}}); err != nil {
		t.Fatal(err)
	}
	before = last(t, conn)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'two')`, queue)
	d := pgtest.Eventually(t, 5*time.Second, "a tick at once", func() bool { return len(between(t, conn, before, last(t, conn))) > 0 })
	t.Logf("ticked after %s", d)
	want(t, "batch", between(t, conn, before, last(t, conn)), "two")

	// A transaction that ends after the tick that counts its number.
	writer := pgtest.Connect(t, dsn)
	pgtest.Exec(t, writer, `begin`)
	pgtest.Exec(t, writer, `select pgq.insert_event($1, 't', 'late')`, queue)
	pgtest.Eventually(t, 5*time.Second, "a tick for the number drawn", func() bool { return last(t, conn).EventSeq == seq() })
	before = last(t, conn)
	pgtest.Exec(t, writer, `commit`)
	pgtest.Eventually(t, 5*time.Second, "a tick for the late commit", func() bool { return len(between(t, conn, before, last(t, conn))) > 0 })
	want(t, "late batch", between(t, conn, before, last(t, conn)), "late")
	if n := seq() - before.EventSeq; n != 1 {
		t.Errorf("%d numbers were drawn for a tick, want 1", n)
	}
}

// TestTickAtOnce: who needs a tick now gets one, whatever the settings.
func TestTickAtOnce(t *testing.T) {
	_, conn := beside(t)
	for pgtest.One[*int64](t, conn, `select pgq.ticker($1)`, queue) != nil { // the second tick is due at once
	}
	pgtest.Exec(t, conn, `select count(pgq.insert_event($1, 't', 'one')) from generate_series(1, 2)`, queue)
	first := last(t, conn)
	if made := pgtest.One[*int64](t, conn, `select skytools.tick($1)`, queue); made != nil {
		t.Errorf("tick %d came before max_lag", *made)
	}
	for range 3 {
		prev := last(t, conn)
		if made := pgtest.One[*int64](t, conn, `select skytools.tick($1, $2)`, queue, int64(prev.ID)); made == nil || *made != int64(prev.ID)+1 {
			t.Errorf("no tick after tick %d", prev.ID)
		}
		if pgtest.One[*int64](t, conn, `select skytools.tick($1, $2)`, queue, int64(prev.ID)) != nil {
			t.Error("a tick although there is one after the one given")
		}
	}
	want(t, "events", between(t, conn, first, last(t, conn)), "one", "one")
	for what, begin := range map[string]string{
		"old snapshot": `begin isolation level repeatable read; select 1`,
		"own events":   `begin; select pgq.insert_event('` + queue + `', 't', 'own')`,
	} {
		pgtest.Exec(t, conn, begin)
		_, err := conn.Exec(t.Context(), `select skytools.tick($1, $2)`, queue, int64(last(t, conn).ID))
		if err == nil || !strings.Contains(err.Error(), "not made in this transaction") {
			t.Errorf("%s: %v", what, err)
		}
		pgtest.Exec(t, conn, `rollback`)
	}
}

// TestTicksOfOwner: a role that may draw tick numbers writes ticks as on our
// own schema, without the extension's waiting.
func TestTicksOfOwner(t *testing.T) {
	s := pgtest.Server(t)
	dsn := s.DSN(pgtest.DBName(t, extended(t, s)), "postgres")
	conn := pgtest.Connect(t, dsn)
	install(t, conn)
	pgtest.Exec(t, conn, `select pgq.create_queue($1)`, queue)
	startTicker(t, dsn)
	for range 3 {
		before := last(t, conn)
		pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', 'x')`, queue)
		pgtest.Eventually(t, 2*time.Second, "a tick before max_lag", func() bool { return last(t, conn).ID > before.ID })
	}
	pgtest.Exec(t, conn, `select pgq.force_tick($1)`, queue)
	if made := pgtest.One[*int64](t, conn, `select pgq.ticker($1)`, queue); made != nil && pgq.TickID(*made) != last(t, conn).ID {
		t.Errorf("the extension's own tick is %d of %d", *made, last(t, conn).ID)
	}
}

// oldWriter leaves behind a transaction whose snapshot calls table 0 the
// current one although two rotations have been since.
func oldWriter(t *testing.T, dsn string, conn *pgx.Conn) *pgx.Conn {
	t.Helper()
	writer := pgtest.Connect(t, dsn)
	pgtest.Exec(t, writer, `begin isolation level repeatable read`)
	if n := pgtest.One[int](t, writer, `select queue_cur_table from pgq.queue`); n != 0 {
		t.Fatalf("current table %d", n)
	}
	for range 2 {
		tick(t, conn)
		pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
		maintain(t, conn)
	}
	if n := pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`); n != 2 {
		t.Fatalf("current table %d: it does not rotate", n)
	}
	tick(t, conn)
	pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
	return writer
}

// TestOldSnapshotOnExtension: a REPEATABLE READ writer fills a table that is
// not the current one any more. Our reader finds the event and our maintenance
// does not empty the table before it is read.
func TestOldSnapshotOnExtension(t *testing.T) {
	for _, alone := range []bool{false, true} { // the extension by itself loses it
		dsn, conn := beside(t)
		pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
		writer := oldWriter(t, dsn, conn)
		before := last(t, conn)
		pgtest.Exec(t, writer, `select pgq.insert_event($1, 't', 'late')`, queue)
		pgtest.Exec(t, writer, `commit`)
		if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1_0`); n != 1 {
			t.Fatalf("%d events in the old table: not the case to be tested", n)
		}
		if alone {
			pgtest.Exec(t, conn, `update pgq.queue set queue_switch_time = now() - interval '3 hours'`)
			pgtest.Exec(t, conn, `select pgq.maint_rotate_tables_step1($1)`, queue)
			if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1_0`); n != 0 {
				t.Error("the extension keeps the event: our check is not needed")
			}
			continue
		}
		for range 3 {
			maintain(t, conn)
		}
		if n := pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`); n != 2 {
			t.Errorf("rotated to table %d", n)
		}
		late := tick(t, conn)
		want(t, "read", between(t, conn, before, late), "late")
		batch := pgtest.One[int64](t, conn, `select pgq.next_batch($1, 'c')`, queue)
		var found []string
		for pgtest.One[bool](t, conn, `select sub_next_tick < $1 from pgq.subscription`, int64(late.ID)) {
			pgtest.Exec(t, conn, `select pgq.finish_batch($1)`, batch)
			batch = pgtest.One[int64](t, conn, `select pgq.next_batch($1, 'c')`, queue)
		}
		found = pgtest.Column[string](t, conn, `select ev_data from pgq.get_batch_events($1)`, batch)
		t.Logf("the extension's own reading of the batch: %q", found)
		pgtest.Exec(t, conn, `select pgq.finish_batch($1)`, batch)
		tick(t, conn)
		pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
		maintain(t, conn)
		if n := pgtest.One[int](t, conn, `select queue_cur_table from pgq.queue`); n != 0 {
			t.Errorf("current table is %d: read, the event still blocks rotation", n)
		}
		if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.tick where tick_id < $1`, int64(late.ID)); n > 0 {
			t.Errorf("%d ticks are left that a consumer could go back to although the event after them is gone", n)
		}
	}
}

// TestCaptureAsksOnExtension: nobody tells captures of a rotation or of a
// closed queue, so they ask in each statement, also in plans made before.
func TestCaptureAsksOnExtension(t *testing.T) {
	dsn, conn := beside(t)
	pgtest.Exec(t, conn, `create table entry (id int primary key, item text)`)
	pgtest.Exec(t, conn, `select skytools.capture_install($1, 'public', 'entry')`, queue)
	pgtest.Exec(t, conn, `select pgq.register_consumer($1, 'c')`, queue)
	writer := pgtest.Connect(t, dsn) // one session: it keeps its plans
	id := 0
	write := func() error {
		id++
		_, err := writer.Exec(t.Context(), `insert into entry values ($1, 'x')`, id)
		return err
	}
	for range 10 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		tick(t, conn)
		pgtest.Exec(t, conn, `update pgq.subscription set sub_last_tick = (select max(tick_id) from pgq.tick)`)
		maintain(t, conn)
		if err := write(); err != nil {
			t.Fatal(err)
		}
		in := pgtest.One[string](t, conn, `select tableoid::regclass::text from pgq.event_1 order by ev_id desc limit 1`)
		if current := pgtest.One[string](t, conn, `select pgq.current_event_table($1)`, queue); in != current {
			t.Errorf("the event is in %s, the current table is %s", in, current)
		}
	}
	pgtest.Exec(t, conn, `update pgq.queue set queue_disable_insert = true`)
	if err := write(); err == nil || !strings.Contains(err.Error(), "Insert into queue disallowed") {
		t.Errorf("a closed queue: %v", err)
	}
	pgtest.Exec(t, conn, `update pgq.queue set queue_disable_insert = false, queue_per_tx_limit = 1`)
	if _, err := writer.Exec(t.Context(), `insert into entry values (1001, 'x'), (1002, 'y')`); err == nil || !strings.Contains(err.Error(), "allows max 1 events") {
		t.Errorf("a limited queue: %v", err)
	}
	pgtest.Exec(t, conn, `update pgq.queue set queue_per_tx_limit = null`)
	if err := write(); err != nil {
		t.Error(err)
	}
}
