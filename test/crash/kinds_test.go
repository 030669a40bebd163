package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// kinds are the tables whose copy is one stream: a partitioned one, one without
// a key, and unlogged ones: at both sides, or at one of them.
var kinds = []string{"visit", "log", "cache", "cache_there", "cache_here"}

const kindTables = `
create table visit (id int, day int, n bigint not null default 0, primary key (id, day)) partition by range (day);
create table visit_0 partition of visit for values from (0) to (10);
create table visit_1 partition of visit for values from (10) to (20) partition by list (day);
create table visit_10 partition of visit_1 for values in (10, 11, 12);
create table visit_19 partition of visit_1 default;
create table log (writer int, v text, at point);
create %[1]s table cache_there (id int primary key, n bigint not null default 0);
create %[2]s table cache_here (id int primary key, n bigint not null default 0);
create unlogged table cache (id int primary key, n bigint not null default 0)`

const kindRows = `;
insert into visit select g, g %% 20 from generate_series(1, 2000) g;
insert into log select 0, 'v' || g %% 7, '(1,2)' from generate_series(1, 2000) g;
insert into cache select generate_series(1, 300);
insert into cache_there select generate_series(1, 300);
insert into cache_here select generate_series(1, 300)`

// kindLoad moves rows from partition to partition, makes rows that are equal and
// takes some of them away, and counts in the unlogged tables, whose rows a crash
// may have taken.
const (
	kindLoad = `
	update visit set n = n + 1, day = (day + 7) % 20 where id = (select max(nr) % 1000 * 2 + $1 % 2 + 1 from line where writer = $1);
	insert into log select $1, 'v' || nr % 3, '(3,4)' from (select max(nr) as nr from line where writer = $1) as m, generate_series(1, 2);
	delete from log where ctid = (select ctid from log where writer = $1 limit 1);
	update log set at = '(5,6)' where ctid = (select ctid from log where writer = $1 limit 1);
	insert into cache as c select max(nr) % 300 + 1, 1 from line where writer = $1 on conflict (id) do update set n = c.n + 1;
	insert into cache_there as c select max(nr) % 300 + 1, 1 from line where writer = $1 on conflict (id) do update set n = c.n + 1;
	insert into cache_here as c select max(nr) % 300 + 1, 1 from line where writer = $1 on conflict (id) do update set n = c.n + 1`
	kindEvents = 10 // an update that changes the key, or a row without one, makes two
)

// withKinds installs a pair that has the kinds beside the other tables.
func withKinds(t *testing.T, providerSrv, subscriberSrv *pgserver.Server) *pair {
	t.Helper()
	p := newPair(t, providerSrv, subscriberSrv)
	p.exec(p.provider, fmt.Sprintf(kindTables+kindRows, "unlogged", ""))
	p.exec(p.subscriber, fmt.Sprintf(kindTables, "", "unlogged"))
	p.install()
	p.command("londiste replica.ini provider add --no-key " + strings.Join(kinds, " "))
	p.command("londiste replica.ini subscriber add " + strings.Join(kinds, " "))
	p.names = append(p.names, kinds...)
	p.beside, p.events = kindLoad, kindEvents
	return p
}

// kindPoints are the commits that the copies of the kinds pass, and the pass to
// kill or stop at: with eight tables one amid the copies.
func kindPoints() []string {
	points := []string{"copy-data.before-commit=%s@3", "copy-data.after-commit=%s@5"}
	if pgtest.Long() {
		points = append(points,
			"copy-start.before-commit=%s@4", "copy-start.after-commit=%s@9",
			"copy-ledger.before-commit=%s@4", "copy-ledger.after-commit=%s@6",
			"copy-data.before-commit=%s@7", "copy-data.after-commit=%s@2", "copy-catch.before-commit=%s@4", "copy-catch.after-commit=%s@2",
			"copy-index.before-commit=%s@1", "copy-index.after-commit=%s@2",
			"copy-state.before-commit=%s@5", "copy-state.after-commit=%s@9", "copy-state.after-commit=%s@14",
			"copy-finish.before-commit=%s@3", "copy-finish.after-commit=%s@12")
	}
	return points
}

// TestKindsAreKilledAt kills the daemon while it copies the kinds, under load.
func TestKindsAreKilledAt(t *testing.T) {
	t.Parallel()
	for _, point := range kindPoints() {
		spec := fmt.Sprintf(point, "kill")
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			p := withKinds(t, nil, nil)
			p.start("", "pgqadm ticker.ini ticker")
			stop := p.load(t.Context(), 2)
			p.start(spec, "londiste replica.ini replay").killed(t)
			p.start("", "londiste replica.ini replay")
			p.allOK()
			stop()
			p.settled()
			p.exactly()
			p.redone(1)
		})
	}
}

// redone wants no copy to have begun anew but those under way when the worker
// or its servers died: one in each stream.
func (p *pair) redone(deaths int) {
	p.t.Helper()
	const streams = 4 // parallel_copies
	again := p.number(p.subscriber, "select coalesce(sum(attempt - 1), 0) from skytools.copy_table")
	if again > deaths*streams {
		p.t.Errorf("%d copies were begun anew after %d deaths", again, deaths)
	}
	p.t.Logf("%d copies were begun anew", again)
}

// TestServersStopAtKinds has the daemon halt at a point, stops a server or both,
// `immediate`, and lets the daemon go on.
func TestServersStopAtKinds(t *testing.T) {
	t.Parallel()
	for i, point := range kindPoints() {
		sides := hardStops()
		if !pgtest.Long() {
			sides = sides[i:][:1]
		}
		for _, which := range sides {
			spec := fmt.Sprintf(point, "pause")
			t.Run(spec+" "+which, func(t *testing.T) {
				t.Parallel()
				p := withKinds(t, pgtest.Own(t, pgserver.Options{Fsync: true}), pgtest.Own(t, pgserver.Options{Fsync: true}))
				p.start("", "pgqadm ticker.ini ticker")
				stop := p.load(t.Context(), 2)
				worker := p.start(spec, "londiste replica.ini replay")
				p.until("the worker to halt", worker.halted)
				p.stopHard(which)
				if err := worker.cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				p.allOK()
				stop()
				p.settled()
				p.exactly()
			})
		}
	}
}

// halted tells whether a point has paused the process.
func (proc *process) halted() bool {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(proc.cmd.Process.Pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") T ")
}

// killUnlogged: the worker dies when it notes that a server has emptied unlogged
// tables, and the next one has just those copied anew.
func killUnlogged(t *testing.T, spec string) {
	sides := []string{"provider", "subscriber"}
	switch {
	case pgtest.Long():
	case strings.Contains(spec, "before-commit"):
		sides = sides[:1]
	default:
		sides = sides[1:]
	}
	for _, which := range sides {
		p := withKinds(t, pgtest.Own(t, pgserver.Options{Fsync: true}), pgtest.Own(t, pgserver.Options{Fsync: true}))
		p.start("", "pgqadm ticker.ini ticker")
		// Both tokens are made at the worker's start, and that of the side that
		// crashes once more; then they are noted for the second time.
		pass := map[string]string{"provider": "@3", "subscriber": "@4"}[which]
		if strings.HasPrefix(spec, string(failpoint.Emptied)) {
			pass = "@2"
		}
		worker := p.start(strings.TrimSuffix(spec, "@1")+pass, "londiste replica.ini replay")
		p.allOK()
		stop := p.load(t.Context(), 2)
		p.stopHard(which)
		worker.killed(t)
		p.start("", "londiste replica.ini replay")
		anew := []string{"public.cache", "public.cache_here"}
		if which == "provider" {
			anew[1] = "public.cache_there"
		}
		p.until("the emptied tables to be copied", func() bool { return p.copies(anew...) == 2*len(anew) })
		time.Sleep(300 * time.Millisecond) // some load after the copies
		stop()
		p.settled()
		p.exactly()
		if n := p.copies(); n != len(p.names)+len(anew) {
			t.Errorf("%d copies, want those of %d tables and of %d once more", n, len(p.names), len(anew))
		}
	}
}

// copies counts in the daemon's log the copies of tables, or of all.
func (p *pair) copies(tables ...string) (n int) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, job+".log"))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(tables) == 0 {
		return strings.Count(string(text), "Copy finished")
	}
	for line := range strings.Lines(string(text)) {
		for _, table := range tables {
			if strings.Contains(line, "Copy finished") && strings.Contains(line, "table="+table+" ") {
				n++
			}
		}
	}
	return n
}
