package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/test/check"
)

// refuse makes two of the subscriber's tables unable to take a change that
// spoil makes. The counters refer to their owner, so they are parked with it.
const (
	refuse = `alter table line add constraint no_bad check (writer <> -99) not valid;
		alter table owner add constraint no_bad check (name <> 'bad') not valid`
	spoil = `insert into line (writer, nr) values (-99, 1); update owner set name = 'bad' where id = 7`
	mend  = `alter table line drop constraint no_bad; alter table owner drop constraint no_bad`
	still = `create table still (id int primary key, n int not null)`
)

// parkPair makes it a pair whose worker parks at once, with one table more, which
// nothing is wrong with.
func parkPair(p *pair) *pair {
	p.t.Helper()
	p.exec(p.provider, still+`; insert into still values (1, 0)`)
	p.exec(p.subscriber, still)
	file := filepath.Join(p.dir, "replica.ini")
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("replica.ini", string(text)+"park_after = 0.2\n")
	p.install()
	p.command("londiste replica.ini provider add still")
	p.command("londiste replica.ini subscriber add still")
	p.names = append(p.names, "still")
	return p
}

func (p *pair) states() string {
	return p.value(p.subscriber, `select string_agg(table_name || ' ' || case when t.merge_state = 'ok' then 'ok'
			when k.retried_at is null and k.given_up is null and k.error is not null then 'parked' else '?' end, ', ' order by table_name)
		from londiste.table_info t left join skytools.parked_table k using (queue_name, table_name)`)
}

const (
	allOK  = "public.counter ok, public.line ok, public.owner ok, public.still ok"
	parked = "public.counter parked, public.line parked, public.owner parked, public.still ok"
)

// others wants the table that is not parked to go on.
func (p *pair) others() {
	p.t.Helper()
	n := p.value(p.provider, "update still set n = n + 1 where id = 1 returning n::text")
	p.extra++
	p.until("the other table to go on", func() bool { return p.value(p.subscriber, "select n::text from still") == n })
}

// killParker: two tables cannot be applied, a third is parked with them, under
// load. The worker dies at the point: when it parks, or when a retry that comes
// too early parks again, and is started anew. Then the cause is mended.
func killParker(t *testing.T, spec string) {
	p := parkPair(newPair(t, nil, nil))
	p.start("", "pgqadm ticker.ini ticker")
	worker := p.start("", "londiste replica.ini replay")
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	_ = worker.cmd.Process.Kill()
	<-worker.done
	stop := p.load(t.Context(), 2)
	p.exec(p.subscriber, refuse)
	p.exec(p.provider, spoil)
	p.extra++ // of owner; that of line is counted with the lines
	retried := strings.HasPrefix(spec, string(failpoint.ParkEnd))
	worker = p.start(spec, "londiste replica.ini replay")
	if retried {
		p.until("the tables to be parked", func() bool { return p.states() == parked })
		p.command("londiste replica.ini subscriber retry --all")
	}
	worker.killed(t)
	worker = p.start("", "londiste replica.ini replay")
	if retried { // the counters have nothing wrong with them
		p.until("the tables to be parked again", func() bool {
			return p.states() == strings.Replace(parked, "counter parked", "counter ok", 1)
		})
	} else {
		p.until("the tables to be parked", func() bool { return p.states() == parked })
	}
	p.others()
	time.Sleep(500 * time.Millisecond) // events gather
	p.exec(p.subscriber, mend)
	p.command("londiste replica.ini subscriber retry line owner")
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	p.others()
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended by itself")
	}
}

// TestParkedThroughCrashes: servers are stopped hard while tables are parked
// and while they come back.
func TestParkedThroughCrashes(t *testing.T) {
	t.Parallel()
	p := parkPair(ownServers(t))
	p.start("", "pgqadm ticker.ini ticker")
	worker := p.start("", "londiste replica.ini replay")
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	stop := p.load(t.Context(), 2)
	crash := func() {
		for _, side := range []string{"provider", "subscriber"} {
			p.stopHard(side)
			time.Sleep(300 * time.Millisecond) // something is done between the two stops
		}
	}
	p.exec(p.subscriber, refuse)
	p.exec(p.provider, spoil)
	p.extra++
	crash()
	p.until("the tables to be parked", func() bool { return p.states() == parked })
	crash()
	p.others()
	if got := p.states(); got != parked {
		t.Fatalf("after the crash: %s", got)
	}
	p.exec(p.subscriber, mend)
	p.command("londiste replica.ini subscriber retry --all")
	time.Sleep(100 * time.Millisecond) // the retry is under way
	crash()
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended with a server")
	}
}

// TestGivenUpThroughCrashes: the budget of three parked tables runs out under
// load, and the worker dies as it gives up the first or another of them. A copy
// brings them back, through the same crash once more.
func TestGivenUpThroughCrashes(t *testing.T) {
	t.Parallel()
	moments := []string{".before-commit=kill", ".after-commit=kill@3"}
	if pgtest.Long() {
		moments = append(moments, ".after-commit=kill", ".before-commit=kill@2")
	}
	for _, at := range moments {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			p := parkPair(newPair(t, nil, nil))
			p.start("", "pgqadm ticker.ini ticker")
			worker := p.start("", "londiste replica.ini replay")
			p.until("all tables to be ok", func() bool { return p.states() == allOK })
			stop := p.load(t.Context(), 2)
			p.exec(p.subscriber, refuse)
			p.exec(p.provider, spoil)
			p.extra++
			p.until("the tables to be parked", func() bool { return p.states() == parked })
			_ = worker.cmd.Process.Kill()
			<-worker.done

			ini := filepath.Join(p.dir, "replica.ini")
			text, err := os.ReadFile(ini)
			if err != nil {
				t.Fatal(err)
			}
			p.write("replica.ini", string(text)+"park_max_age = 1\n")
			p.start(string(failpoint.ParkEnd)+at, "londiste replica.ini replay").killed(t)
			worker = p.start("", "londiste replica.ini replay")
			p.until("the tables to be given up", func() bool {
				return p.value(p.subscriber, "select count(given_up)::text from skytools.parked_table") == "3"
			})
			p.until("their events to be let go", func() bool {
				return p.value(p.provider, "select count(*)::text from pgq.consumer where co_name like '%.copy.%'") == "0"
			})
			p.others()
			p.exec(p.subscriber, mend)
			_ = worker.cmd.Process.Kill()
			<-worker.done
			p.command("londiste replica.ini subscriber resync line owner counter")
			p.start(string(failpoint.CopyState)+".after-commit=kill@2", "londiste replica.ini replay").killed(t)
			p.start("", "londiste replica.ini replay")
			p.until("all tables to be ok", func() bool { return p.states() == allOK })
			p.others()
			stop()
			p.settled()
			p.exactly()
		})
	}
}

// TestParkedIsSkipped passes over the bad event: the only row that differs is
// its.
func TestParkedIsSkipped(t *testing.T) {
	t.Parallel()
	p := parkPair(newPair(t, nil, nil))
	p.start("", "pgqadm ticker.ini ticker")
	p.start("", "londiste replica.ini replay")
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	stop := p.load(t.Context(), 2)
	p.exec(p.subscriber, refuse)
	p.exec(p.provider, `insert into line (writer, nr) values (-99, 1)`)
	only := strings.NewReplacer("counter parked", "counter ok", "owner parked", "owner ok").Replace(parked)
	p.until("the table to be parked", func() bool { return p.states() == only })
	event := p.value(p.subscriber, "select ev_id::text from skytools.parked_table")
	p.command("londiste replica.ini subscriber skip line " + event)
	p.until("all tables to be ok", func() bool { return p.states() == allOK })
	stop()
	p.exec(p.provider, fmt.Sprintf("delete from line where writer = -99 and nr = %d", 1))
	p.extra += 2 // the row that is gone, and its delete
	p.exec(p.subscriber, mend)
	p.settled()
	p.exactly()
}

// TestAttachIsKilled: a subscriber that has its rows by a dump is attached by a
// command that dies at each of its commits and is given again.
func TestAttachIsKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []string{".before-commit=kill", ".after-commit=kill", ".before-commit=kill@2", ".after-commit=kill@2"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, nil, nil)
			p.exec(p.subscriber, "alter table counter disable trigger mine; insert into owner select g, 'owner ' || g from generate_series(1, 20) g"+
				oldRows+"; alter table counter enable trigger mine")
			p.command("londiste replica.ini provider install")
			p.command("londiste replica.ini subscriber install")
			p.command("londiste replica.ini provider add " + strings.Join(names, " "))
			p.command("londiste replica.ini provider add-seq line_id_seq")
			p.exec(p.subscriber, noteStart)
			check.WatchRotation(t.Context(), t, pgtest.Connect(t, p.provider), queue)
			p.start("", "pgqadm ticker.ini ticker")
			p.exec(p.provider, fmt.Sprintf("select skytools.tick('%s', max(tick_id)) from pgq.tick", queue)) // one that sees the tables added
			tick := p.value(p.provider, "select max(tick_id)::text from pgq.tick")
			p.command("pgqadm ticker.ini register " + queue + " " + job)
			stop := p.load(t.Context(), 2)
			attach := "londiste replica.ini subscriber attach --from-tick " + tick
			p.start(string(failpoint.Register)+at, attach).killed(t)
			if strings.HasPrefix(at, ".after") && strings.HasSuffix(at, "@2") { // all but the sequence was done
				p.command("londiste replica.ini subscriber add-seq --all")
			} else {
				p.command(attach)
			}
			p.start("", "londiste replica.ini replay")
			time.Sleep(time.Second) // some writes are replicated before the writers stop
			stop()
			p.settled()
			p.exactly()
		})
	}
}
