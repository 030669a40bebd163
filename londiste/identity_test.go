package londiste_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// A provider that has just been promoted is another one at once, not from its
// next checkpoint on: else replay would go on, and stop days later.
func TestFailoverIsSeenBeforeACheckpoint(t *testing.T) {
	t.Parallel()
	provider := pgtest.Own(t, pgserver.Options{})
	p := newPairOn(t, provider, pgtest.Second(t), installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.ok(w.stop())

	// Pages replayed make the checkpoint after the promotion a slow one.
	f.exec(f.provConn, `create table pages as select i from generate_series(1, 100000) i`)
	f.ok(provider.Stop(t.Context(), "immediate"))
	f.ok(os.WriteFile(filepath.Join(provider.DataDir(), "standby.signal"), nil, 0o644))
	f.ok(provider.Restart(t.Context()))
	admin := pgtest.Admin(t, provider, "postgres")
	f.eventually(admin, `select pg_promote()::text`, "true")
	if seen := value[int](p, admin, `select timeline_id from pg_control_checkpoint()`); seen != 1 {
		t.Fatalf("the control file has timeline %d already: this shows nothing", seen)
	}
	f.fails(start(t, f.newWorker().Run).ended(t), "timeline 2 now, it was", "replay --rewind")
	f.ok(f.newWorker().Rewind(t.Context()))
	w = start(t, f.newWorker().Run)
	f.provConn = pgtest.Connect(t, f.provDSN)
	f.exec(f.provConn, `insert into book values (1)`)
	f.equal("public.book")
	f.ok(w.stop())
}

// What a worker finds applied may not be on the disk yet; the provider must
// not be told of it before.
func TestPositionIsOnTheDiskBeforeItIsTold(t *testing.T) {
	t.Parallel()
	subscriber := pgtest.Own(t, pgserver.Options{Fsync: true, Conf: map[string]string{
		"synchronous_commit": "off", "wal_writer_delay": "10s", "autovacuum": "off",
	}})
	p := newPairOn(t, pgtest.Server(t), subscriber, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.both(`create table book (id int primary key)`)
	f.add("book")
	w := start(t, f.worker.Run)
	f.allOK()
	f.exec(f.provConn, `insert into book values (1)`)
	f.equal("public.book")
	f.ok(w.stop())

	// As a worker that was killed right after its last batch has left it.
	here := value[int](p, f.subConn, `select last_tick_id from pgq_node.local_state where consumer_name = 'job'`)
	f.exec(f.provConn, `select pgq.force_tick(queue_name) from pgq.queue`)
	f.eventually(f.provConn, fmt.Sprintf(`select (max(tick_id) > %d)::text from pgq.tick`, here), "true")
	last := value[string](p, f.provConn, `select format('(%s, %L::timestamptz)', tick_id, tick_time)
		from pgq.tick order by tick_id desc limit 1`)
	f.exec(f.subConn, `with last (id, at) as (values `+last+`),
		s as (update pgq_node.local_state set last_tick_id = id from last where consumer_name = 'job')
		update skytools.worker_state set last_tick_time = at from last`)
	w = start(t, f.newWorker().Run)
	f.eventually(f.provConn, `select (last_tick = `+strings.Trim(strings.SplitN(last, ",", 2)[0], "(")+`)::text
		from pgq.get_consumer_info() where consumer_name = 'job'`, "true")
	f.ok(w.stop())

	f.ok(subscriber.Stop(t.Context(), "immediate"))
	f.ok(subscriber.Restart(t.Context()))
	f.subConn = pgtest.Connect(t, f.subDSN)
	w = start(t, f.newWorker().Run)
	f.exec(f.provConn, `insert into book values (2)`)
	f.equal("public.book")
	f.ok(w.stop())
}
