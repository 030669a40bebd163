package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/test/check"
)

// bin is where the programs are built.
const bin = "../../bin/test"

const tables = `create table entry (id int primary key, n bigint not null, item text);
	create table line (id bigserial primary key, writer int, nr int, unique (writer, nr))`

// replication is a provider and a subscriber with their ini file.
type replication struct {
	t                    *testing.T
	provider, subscriber string // DSN
	dir                  string
}

func newReplication(t *testing.T, provider string) *replication {
	t.Helper()
	build := osexec.Command("go", "build", "-o", bin+"/", "../../cmd/londiste")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r := &replication{t: t, provider: provider, subscriber: pgtest.Database(t, pgtest.Second(t), nil), dir: t.TempDir()}
	for _, dsn := range []string{r.provider, r.subscriber} {
		pgtest.Exec(t, pgtest.Connect(t, dsn), tables)
	}
	pgtest.Exec(t, pgtest.Connect(t, r.provider), `insert into entry select i, i, 'old' from generate_series(1, 500) i`)
	ini := fmt.Sprintf("[londiste]\njob_name = job\nprovider_db = %s\nsubscriber_db = %s\npgq_queue_name = %s\nlogfile = %s/log\npidfile = %[4]s/pid\n",
		r.provider, r.subscriber, queue, r.dir)
	if err := os.WriteFile(filepath.Join(r.dir, "replica.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// londiste runs a command to its end.
func (r *replication) londiste(args string) {
	r.t.Helper()
	cmd := osexec.Command(filepath.Join(bin, "londiste"), append([]string{filepath.Join(r.dir, "replica.ini")}, strings.Fields(args)...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		text, _ := os.ReadFile(filepath.Join(r.dir, "log"))
		r.t.Fatalf("londiste %s: %v\n%s\n%s", args, err, out, text)
	}
}

func (r *replication) start() {
	r.t.Helper()
	r.londiste("provider install")
	r.londiste("subscriber install")
	r.londiste("provider add entry line")
	r.londiste("subscriber add entry line")
	r.londiste("replay -d")
	r.t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(r.dir, "pid")); err == nil {
			r.londiste("replay -k")
		}
		if r.t.Failed() {
			text, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			r.t.Logf("londiste's log:\n%s", text)
		}
	})
}

// write changes the provider's tables until stop is called, at all isolation
// levels, some transactions long.
func (r *replication) write(writers int) (stop func(), written *atomic.Int64) {
	r.t.Helper()
	written = &atomic.Int64{}
	var stops []func()
	for w := range writers {
		conn := pgtest.Connect(r.t, r.provider)
		level := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead}[w%2]
		stops = append(stops, run(r.t, fmt.Sprintf("writer %d", w), func(ctx context.Context) error {
			for nr := 0; ctx.Err() == nil; nr++ {
				err := pgx.BeginTxFunc(context.Background(), conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
					if _, err := tx.Exec(context.Background(), `select count(*) from pgq.queue`); err != nil {
						return err
					}
					time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
					_, err := tx.Exec(context.Background(), fmt.Sprintf(`
						insert into line (writer, nr) values (%[1]d, %[2]d), (%[1]d, -%[2]d - 1);
						insert into entry values (1000 + %[1]d, 1, 'w') on conflict (id) do update set n = entry.n + 1`, w, nr))
					return err
				})
				if err != nil {
					return err
				}
				written.Add(1)
			}
			return nil
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}, written
}

// wantEqual waits until both sides are equal and checks the invariants.
func (r *replication) wantEqual() {
	r.t.Helper()
	p, s := pgtest.ConnectPinned(r.t, r.provider), pgtest.ConnectPinned(r.t, r.subscriber)
	defer p.Close(context.Background())
	defer s.Close(context.Background())
	for _, table := range []string{"public.entry", "public.line"} {
		pgtest.Eventually(r.t, 30*time.Second, table+" is equal on both sides", func() bool {
			diff, err := pgtest.DiffTable(r.t.Context(), p, s, table)
			return err == nil && diff == ""
		})
	}
	pgtest.CompareTables(r.t, r.provider, r.subscriber, "public.entry", "public.line")
}

// TestLondisteOverExtension: from a provider that has the real extension to a
// subscriber with our schema, with writers of all kinds and rotations.
func TestLondisteOverExtension(t *testing.T) {
	dsn := extended(t, pgtest.Server(t))
	r := newReplication(t, dsn)
	conn := pgtest.Connect(t, dsn)
	install(t, conn)
	before := fingerprint(t, dsn, "pgq")
	served(t, dsn)
	r.start()
	admin := pgtest.Admin(t, pgtest.Server(t), pgtest.DBName(t, dsn))
	check.WatchRotation(t.Context(), t, admin, queue)
	pgtest.Exec(t, admin, `grant insert on lost_events to public`)
	pgtest.Exec(t, conn, `update pgq.queue set queue_rotation_period = '1 second'`)
	if n := pgtest.One[string](t, conn, `select coalesce(string_agg(skytools.queue_1_table()::text, ''), 'none')`); n != "none" {
		t.Errorf("captures believe in table %s although nobody tells them of a rotation", n)
	}
	began := pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`)
	stop, written := r.write(4)
	// Maintenance moves the watermark only when it is five minutes old.
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		pgtest.Exec(t, conn, `select pgq_node.set_global_watermark($1, null)`, queue)
	}
	stop()
	t.Logf("%d transactions", written.Load())
	r.wantEqual()
	if pgtest.One[int64](t, conn, `select queue_switch_step1 from pgq.queue`) == began {
		t.Error("nothing rotated")
	}
	r.londiste("replay -s")
	pgtest.Eventually(t, 20*time.Second, "replay ends", func() bool {
		_, err := os.Stat(filepath.Join(r.dir, "pid"))
		return os.IsNotExist(err)
	})
	check.Pair{Provider: admin, Subscriber: pgtest.Connect(t, r.subscriber), Queue: queue, Consumer: "job"}.Invariants(t.Context(), t)
	after := fingerprint(t, dsn, "pgq")
	for line := range strings.SplitSeq(before, "\n") {
		if !strings.Contains(after, line) {
			t.Errorf("gone: %s", line)
		}
	}
}
