package londiste_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// counters are tables that show an event lost or applied twice: increments
// and an append-only list.
const counters = `
	create table owner (id int primary key);
	create table account (id int primary key, owner int not null references owner, n int not null, tag int unique);
	create index account_n on account (n);
	create table journal (id bigserial primary key, account int, at timestamptz default clock_timestamp())`

func (f *flow) fillCounters() {
	f.t.Helper()
	f.both(counters)
	f.exec(f.provConn, `insert into owner select generate_series(1, 5);
		insert into account select i, i % 5 + 1, 0, i from generate_series(1, 300) i;
		select setval('journal_id_seq', 1000)`)
}

// count increments counters until ctx ends.
func count(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for i := 0; ctx.Err() == nil; i++ {
		sql := fmt.Sprintf(`with a as (update account set n = n + 1 where id %% 10 = %d %% 10 returning id)
			insert into journal (account) select id from a`, i)
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// An error on either side of every commit of the worker: what a connection
// lost at that moment looks like. Nothing is lost, doubled or left behind,
// and no command is needed.
func TestFailureAtEveryCommit(t *testing.T) {
	points := []failpoint.Point{
		failpoint.Claim, failpoint.Position, failpoint.Apply, failpoint.Settle, failpoint.Ack, failpoint.Fkey,
		failpoint.CopyStart, failpoint.CopyData, failpoint.CopyCatch, failpoint.CopyIndex, failpoint.CopyState,
		failpoint.CopyFinish,
	}
	for _, side := range []string{"before", "after"} {
		t.Run(side, func(t *testing.T) {
			f := newFlow(t)
			f.fillCounters()
			before := pgtest.CatalogFingerprint(t, f.subDSN)
			for _, name := range []string{"journal_id_seq"} {
				f.ok(f.prov.AddSeqs(t.Context(), named(name)))
				f.ok(f.sub.AddSeqs(t.Context(), named(name)))
			}
			t.Cleanup(func() { f.ok(failpoint.Arm("")) })
			var spec []string
			for i, p := range points {
				spec = append(spec, fmt.Sprintf("%s.%s-commit=error@%d", p, side, 1+i%3))
			}
			f.ok(failpoint.Arm(strings.Join(spec, ",")))
			f.ok(f.prov.AddTables(t.Context(), londiste.Selection{Names: []string{"owner", "account", "journal"}}, londiste.Capture{}))
			f.ok(f.sub.AddTables(t.Context(), londiste.Selection{Names: []string{"owner", "account", "journal"}}, londiste.AddOptions{}))
			load := start(t, func(ctx context.Context) error { return count(ctx, f.provDSN) })
			w := start(t, f.worker.Run)
			f.allOK()
			f.ok(f.sub.Resync(t.Context(), named("account")))
			time.Sleep(3 * time.Second)
			f.allOK()
			f.ok(load.stop())
			f.equal("public.owner", "public.account", "public.journal")
			f.noCopyLeft()
			f.ok(w.stop())
			pgtest.CompareSequences(t, f.provDSN, f.subDSN, "public.journal_id_seq")
			for _, p := range points {
				if text := fmt.Sprintf("%s.%s-commit: injected", p, side); !strings.Contains(f.log.String(), text) {
					t.Errorf("nobody came to %s.%s-commit", p, side)
				}
			}
			f.ok(f.sub.RemoveTables(t.Context(), londiste.Selection{All: true}))
			sameCatalog(t, before, pgtest.CatalogFingerprint(t, f.subDSN))
		})
	}
}

// The worker ends at any moment, in any state of a table, and the next one
// goes on.
func TestRestartInEveryState(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.fillCounters()
	f.add("owner", "account", "journal")
	load := start(t, func(ctx context.Context) error { return count(ctx, f.provDSN) })
	for i := range 25 {
		w := start(t, f.newWorker().Run)
		time.Sleep(time.Duration(20+i*23%400) * time.Millisecond)
		f.ok(w.stop())
		if i%8 == 7 {
			f.exec(f.subConn, `update londiste.table_info set merge_state = null where table_name = 'public.account'`)
		}
	}
	w := start(t, f.worker.Run)
	f.allOK()
	f.ok(load.stop())
	f.equal("public.owner", "public.account", "public.journal")
	f.noCopyLeft()
	f.ok(w.stop())
}

// Servers stop hard amid everything. Commits of batches do not wait for the
// subscriber's disk, so some are lost there: rows and position together.
func TestServersStopHard(t *testing.T) {
	t.Parallel()
	opt := pgserver.Options{Fsync: true}
	provider, subscriber := pgtest.Own(t, opt), pgtest.Own(t, opt)
	p := newPairOn(t, provider, subscriber, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	f := flowOf(t, p)
	f.fillCounters()
	f.add("owner", "account", "journal")
	w := start(t, f.worker.Run)
	hit := func(s *pgserver.Server) {
		f.ok(s.Stop(t.Context(), "immediate"))
		time.Sleep(300 * time.Millisecond)
		f.ok(s.Restart(t.Context()))
		f.provConn, f.subConn = pgtest.Connect(t, f.provDSN), pgtest.Connect(t, f.subDSN)
	}
	for _, s := range []*pgserver.Server{subscriber, provider, subscriber} {
		time.Sleep(700 * time.Millisecond)
		load := start(t, func(ctx context.Context) error { return count(ctx, f.provDSN) })
		time.Sleep(500 * time.Millisecond)
		hit(s)
		<-time.After(200 * time.Millisecond)
		_ = load.stop() // its connection may have been cut
	}
	f.allOK()
	f.equal("public.owner", "public.account", "public.journal")
	f.noCopyLeft()
	f.ok(w.stop())
}
