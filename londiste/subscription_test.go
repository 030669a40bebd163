package londiste_test

import (
	"context"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/replay"
)

func TestRegisterAndUnregister(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	consumers := func() int64 {
		return value[int64](p, p.provConn, "select count(*) from pgq.get_consumer_info('londiste.write') where consumer_name ~ '^job'")
	}
	p.ok(p.sub.Register(ctx, false))
	p.ok(p.sub.Register(ctx, false))
	p.same(consumers(), int64(1))
	p.exec(p.provConn, "select pgq.register_consumer('londiste.write', 'job.copy.public.entry')")
	p.ok(p.prov.AddTables(ctx, named("entry"), londiste.Capture{}))
	p.ok(p.sub.AddTables(ctx, named("entry"), londiste.AddOptions{ExpectSync: true}))
	p.ok(p.sub.Unregister(ctx))
	p.same(consumers(), int64(0))
	p.same(value[int64](p, p.subConn, "select count(*) from londiste.table_info where merge_state is null"), int64(1))
}

func TestClaims(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	p.ok(p.sub.Register(ctx, false))
	other := *p.sub
	otherDSN := pgtest.Database(t, pgtest.Second(t), installed)
	otherConn := pgtest.Connect(t, otherDSN)
	other.Pair.Subscriber = otherConn.Config()
	p.ok(other.Install(ctx, install))
	p.fails(other.Register(ctx, false), `consumer "job" belongs to database `+pgtest.DBName(t, p.subDSN), "job_name of its own")
	p.ok(other.Register(ctx, true))
	p.fails(p.sub.Register(ctx, false), `consumer "job" belongs to database `+pgtest.DBName(t, otherDSN), "register --force")
}

func TestUnregisterWantsNoWorker(t *testing.T) {
	t.Parallel()
	p, ctx := ready(t), t.Context()
	w := &replay.Worker{Pair: p.sub.Pair}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.Run(running) }()
	for value[int64](p, p.subConn, "select count(*) from skytools.lease") == 0 {
		time.Sleep(20 * time.Millisecond) // the worker starts, and tells nobody of its lease
	}
	p.fails(p.sub.Unregister(ctx), "a worker of consumer job is running", "replay -s")
	cancel()
	p.ok(<-done)
	p.ok(p.sub.Unregister(ctx))
}
