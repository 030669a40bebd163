package londiste_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
	"github.com/skytools-go/skytools/londiste/set"
)

func TestSecondWorkerWaits(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	first := start(t, f.worker.Run)
	f.allOK()
	second := start(t, f.newWorker().Run)
	f.says("another worker replicates to job")
	f.exec(f.provConn, `insert into book values (1)`)
	f.equal("public.book")
	if epoch := value[int](f.pair, f.subConn, `select epoch from skytools.lease`); epoch != 1 {
		t.Errorf("epoch %d: the second worker took the lease from a living one", epoch)
	}
	f.ok(first.stop())
	f.exec(f.provConn, `insert into book values (2)`)
	f.equal("public.book")
	f.ok(second.stop())
	if epoch := value[int](f.pair, f.subConn, `select epoch from skytools.lease`); epoch != 2 {
		t.Errorf("epoch %d, want the second worker's 2", epoch)
	}
}

// A sign of life from the future is one from before the subscriber's clock was put
// back: who gave it may be dead, though its session stands.
func TestHolderFromTheFuture(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	w := start(t, f.worker.Run)
	f.says("Replicating")
	fence := set.Fence{Queue: f.sub.Queue, Consumer: f.sub.ConsumerName()}
	for clock, want := range map[string]bool{"now()": false, "now() + interval '30 seconds'": false, "now() - interval '2 minutes'": true, "now() + interval '1 hour'": true} {
		tx, err := f.subConn.Begin(t.Context())
		f.ok(err)
		_, err = tx.Exec(t.Context(), `update skytools.worker_state set updated_at = `+clock)
		f.ok(err)
		_, err = tx.Exec(t.Context(), `update skytools.lease set taken_at = `+clock)
		f.ok(err)
		if _, silent, err := fence.Holder(t.Context(), f.subConn); err != nil || silent != want {
			t.Errorf("signs of life at %s: silent %v, %v", clock, silent, err)
		}
		f.ok(tx.Rollback(t.Context()))
	}
	f.ok(w.stop())
}

// A worker that seems dead in the middle of a transaction keeps its lease until that
// ends, and the one that waits says so, once.
func TestSilentHolderInATransaction(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	const its = `queue_name = 'londiste.write' and consumer_name = 'job'`
	f.exec(f.subConn, `insert into skytools.lease values ('londiste.write', 'job', 5, 'a stranger', now() - interval '1 hour')`)
	var locked bool
	f.ok(f.subConn.QueryRow(t.Context(), `select pg_try_advisory_lock(`+set.LockKeySQL+`)`, "londiste.write", "job").Scan(&locked))
	f.exec(f.subConn, `begin; select from skytools.lease where `+its+` for share`)
	w := start(t, f.worker.Run)
	const waits = "another worker replicates to job: a stranger, which gives no sign of life but has a transaction open"
	f.says(waits)
	time.Sleep(1500 * time.Millisecond) // more tries of the lease, which say nothing new
	f.same(strings.Count(f.log.String(), waits), 1)
	f.exec(f.subConn, "commit")
	f.says("Taken over from a worker that gives no sign of life\" holder=\"a stranger\"")
	f.says("Replicating")
	f.ok(w.stop())
}

// A worker that lost its lease writes nothing more, whatever it holds.
func TestFencedWorkerWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (1)`)
	f.equal("public.book")
	// Somebody else holds the lease, and the lock that stands beside it.
	other := pgtest.Connect(t, f.subDSN)
	tx, err := other.Begin(t.Context())
	f.ok(err)
	_, err = tx.Exec(t.Context(), `update skytools.lease set epoch = 100`)
	f.ok(err)
	f.exec(f.provConn, `insert into book values (2)`)
	time.Sleep(200 * time.Millisecond) // the batch waits for the row
	f.ok(tx.Commit(t.Context()))
	f.says("another worker took over")
	if n := value[int](f.pair, f.subConn, `select count(*) from book`); n != 1 {
		// It may have taken the lease back since, properly.
		if epoch := value[int](f.pair, f.subConn, `select epoch from skytools.lease`); epoch <= 100 {
			t.Errorf("%d rows written under epoch %d", n, epoch)
		}
	}
	f.equal("public.book") // it takes the lease again, as nobody gives a sign of life
	if epoch := value[int](f.pair, f.subConn, `select epoch from skytools.lease`); epoch != 101 {
		t.Errorf("epoch %d, want 101", epoch)
	}
	f.ok(w.stop())
}

func TestConsumerBelongsToOneDatabase(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	first := start(t, f.worker.Run)
	f.allOK()
	// Another database under the same name.
	other := pgtest.Connect(t, pgtest.Database(t, pgtest.Second(t), installed))
	twin := f.newWorker()
	twin.Subscriber = other.Config()
	f.ok((&londiste.Subscriber{Pair: twin.Pair}).Install(t.Context(), install))
	err := start(t, twin.Run).ended(t)
	f.fails(err, `consumer "job" belongs to database `+f.subConn.Config().Database, "job_name of its own")

	// By force it changes hands, and the one before is refused.
	f.ok(twin.ForceClaim(t.Context(), f.provConn, other))
	second := start(t, twin.Run)
	f.fails(first.ended(t), `consumer "job" belongs to database `+other.Config().Database, "--force")
	f.ok(second.stop())
}

func TestTwoSubscribers(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, title text)`)
	f.exec(f.provConn, `insert into book select i, 'old' from generate_series(1, 100) i`)
	f.add("book")
	dsn := pgtest.Database(t, pgtest.Second(t), installed)
	conn := pgtest.Connect(t, dsn)
	_, err := conn.Exec(t.Context(), `create table book (id int primary key, title text)`)
	f.ok(err)
	two := f.newWorker()
	two.Job, two.Subscriber = "job2", conn.Config()
	sub2 := &londiste.Subscriber{Pair: two.Pair}
	f.ok(sub2.Install(t.Context(), install))
	f.ok(sub2.AddTables(t.Context(), named("book"), londiste.AddOptions{}))
	a, b := start(t, f.worker.Run), start(t, two.Run)
	f.allOK()
	f.eventually(conn, `select coalesce(merge_state, '-') from londiste.table_info`, "ok")
	f.exec(f.provConn, `update book set title = 'new' where id % 2 = 0; insert into book values (1000)`)
	f.equal("public.book")
	f.eventually(conn, `select count(*) filter (where title = 'new') || ' ' || count(*) from book`, "50 101")
	pgtest.CompareTables(t, f.provDSN, dsn, "public.book")
	f.ok(a.stop())
	f.ok(b.stop())
}

func TestClearErrorsOfEitherSide(t *testing.T) {
	t.Parallel()
	f := &flow{pair: newPair(t, fresh), log: &syncLog{}}
	for side, change := range map[string]func(w *replay.Worker){
		"provider":   func(w *replay.Worker) { w.Provider = f.provConn.Config(); w.Provider.Port = 1 },
		"subscriber": func(w *replay.Worker) { w.Subscriber = f.subConn.Config(); w.Subscriber.Port = 1 },
	} {
		w := f.newWorker()
		change(w)
		err := w.Rewind(t.Context())
		f.fails(err, "cannot reach the "+side, side+"_db")
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("error has several lines: %q", err)
		}
	}
}

// What a role has set for people ends no daemon and no set-up command, and lets
// none see a state from before its lock.
func TestSettingsMadeForPeople(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key)`)
	idle := func(limit string) {
		for _, conn := range []*pgx.Conn{f.provConn, f.subConn} {
			name := ident.Quote(conn.Config().Database)
			f.exec(conn, `alter database `+name+` set default_transaction_isolation = 'serializable';
				alter database `+name+` set default_transaction_read_only = on`)
			if v, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), "."); v >= "14" {
				f.exec(conn, `alter database `+name+` set idle_session_timeout = '`+limit+`'`)
			}
		}
	}
	other := pgtest.Connect(t, f.provDSN)
	idle("1s") // or a busy machine is late with a session's first statement
	f.ok(f.prov.AddTables(t.Context(), named("book"), londiste.Capture{}))
	// The session at the subscriber is idle while this lock is waited for.
	tx, err := other.Begin(t.Context())
	f.ok(err)
	_, err = tx.Exec(t.Context(), `lock table pgq_node.node_info`)
	f.ok(err)
	added := start(t, func(ctx context.Context) error {
		return f.sub.AddTables(ctx, named("book"), londiste.AddOptions{})
	})
	f.eventually(f.provConn, `select (count(*) > 0)::text from pg_locks where relation = 'pgq_node.node_info'::regclass and not granted
		and database = (select oid from pg_database where datname = current_database())`, "true")
	time.Sleep(1500 * time.Millisecond) // the server would end the session after 1 s of its own clock; where it rightly does not, nothing happens to wait for
	f.ok(tx.Rollback(t.Context()))
	f.ok(added.ended(t))

	idle("300ms")
	w := start(t, f.worker.Run)
	f.allOK()
	pids := `select string_agg(pid::text, ' ' order by pid) from pg_stat_activity
		where application_name = 'londiste' and datname = current_database()`
	before := value[string](f.pair, f.provConn, pids)
	time.Sleep(900 * time.Millisecond) // three times what an idle session may last
	after := value[string](f.pair, f.provConn, pids)
	for pid := range strings.FieldsSeq(after) { // those of the copy may be gone
		if !slices.Contains(strings.Fields(before), pid) {
			t.Errorf("sessions %s are %s now", before, after)
		}
	}
	f.ok(w.stop())
}

// The provider asks of the subscriber's role no more than to read, whatever
// was set for it.
func TestReplayAsReader(t *testing.T) {
	t.Parallel()
	provider := pgtest.Own(t, pgserver.Options{})
	admin := pgtest.Admin(t, provider, "postgres")
	_, err := admin.Exec(t.Context(), `create role pgq_reader; create role pgq_writer;
		create role pgq_admin in role pgq_reader, pgq_writer; create role replica login in role pgq_reader;
		alter role replica set default_transaction_read_only = on;
		alter role replica set default_transaction_isolation = 'serializable'`)
	if err != nil {
		t.Fatal(err)
	}
	p := newPairOn(t, provider, pgtest.Second(t), installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.both(`create table book (id serial primary key, title text)`)
	f.exec(f.provConn, `grant select on book, book_id_seq to replica; insert into book (title) values ('old')`)
	f.ok(f.prov.AddSeqs(t.Context(), named("book_id_seq")))
	f.ok(f.sub.AddSeqs(t.Context(), named("book_id_seq")))
	f.add("book")
	f.worker.Provider = f.provConn.Config()
	f.worker.Provider.User = "replica"
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into book (title) values ('new')`)
	f.equal("public.book")
	f.noCopyLeft()
	f.ok(w.stop())
	pgtest.CompareSequences(t, f.provDSN, f.subDSN, "public.book_id_seq")
}
