package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// replicates installs and has all tables replicated, under load.
func (p *pair) replicates() (worker *process, stop func()) {
	p.t.Helper()
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	worker = p.start("", "londiste replica.ini replay")
	p.allOK()
	return worker, p.load(p.t.Context(), 2)
}

// replicating is a pair under load, whose worker is still to be started.
func replicating(t *testing.T) (p *pair, stop func()) {
	p = newPair(t, nil, nil)
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	stop = p.load(t.Context(), 2)
	return p, stop
}

func (p *pair) allOK() {
	p.t.Helper()
	p.until("all tables to be ok", func() bool {
		return p.value(p.subscriber, `select count(*)::text from londiste.table_info where merge_state = 'ok'`) == fmt.Sprint(len(p.names))
	})
}

// nothingLeft: neither barriers nor snapshots stay behind, whoever died. They
// end by themselves within a minute.
func (p *pair) nothingLeft() {
	p.t.Helper()
	p.until("barriers to end", func() bool {
		return p.value(p.provider, `select count(*)::text from skytools.barrier where until > now()`) == "0"
	})
	p.until("snapshots to end", func() bool {
		return p.value(p.subscriber, `select count(*)::text from skytools.barrier_snapshot`) == "0" &&
			p.value(p.subscriber, `select count(*)::text from pg_stat_activity where datname = current_database()
				and state like 'idle in transaction%' and state_change < now() - interval '2 s'`) == "0"
	})
}

// killCompare: a comparison dies under write load. The worker goes on, another
// comparison finds both sides equal, and nothing is left behind.
func killCompare(t *testing.T, spec string) {
	p, stop := replicating(t)
	worker := p.start("", "londiste replica.ini replay")
	p.allOK()
	p.start(spec, "londiste replica.ini compare --full-speed").killed(t)
	p.command("londiste replica.ini compare --full-speed --jobs 2") // fails unless all are equal
	p.nothingLeft()
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended with the comparison")
	}
}

// killExporter: the worker dies when a comparison waits for its snapshot, which
// gets one of the next worker.
func killExporter(t *testing.T, spec string) {
	p, stop := replicating(t)
	// The first pass is at the worker's start, when there is nothing to export.
	worker := p.start(strings.TrimSuffix(spec, "@1")+"@2", "londiste replica.ini replay")
	p.allOK()
	waiting := p.start("", "londiste replica.ini compare --full-speed")
	worker.killed(t)
	p.start("", "londiste replica.ini replay")
	select {
	case <-waiting.done:
		if code := waiting.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit status %d:\n%s", code, waiting.said)
		}
	case <-time.After(patience):
		t.Errorf("the comparison does not end:\n%s", waiting.said)
	}
	p.nothingLeft()
	stop()
	p.settled()
	p.exactly()
}

// killRepair: rows are changed, lost and added at the subscriber, some of those
// that are being written all the time. A repair dies, the next one mends.
func killRepair(t *testing.T, spec string) {
	p, stop := replicating(t)
	p.start("", "londiste replica.ini replay")
	p.allOK()
	p.exec(p.subscriber, tampered)
	p.start(spec, "londiste replica.ini repair --apply --full-speed").killed(t)
	p.command("londiste replica.ini repair --apply --full-speed")
	p.mended()
	stop()
	p.settled()
}

// tampered changes, loses and adds rows at the subscriber.
const tampered = `update counter set n = n + 1000000 where id % 3 = 0; delete from line where id % 50 = 0;
	insert into line (id, writer, nr) select -g, -2, g from generate_series(1, 700) g`

// mended waits until all that was told once more has come.
func (p *pair) mended() {
	p.t.Helper()
	p.until("both sides to be equal", func() bool {
		proc := p.start("", "londiste replica.ini compare --full-speed")
		<-proc.done
		return proc.cmd.ProcessState.ExitCode() == 0
	})
	p.nothingLeft()
}

// ends waits for a process to end by itself, with a status.
func (proc *process) ends(t *testing.T, status int) {
	t.Helper()
	select {
	case <-proc.done:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := proc.cmd.ProcessState.ExitCode(); code != status {
		t.Errorf("exit status %d, want %d:\n%s", code, status, proc.said)
	}
}

// TestServersAreStoppedHardAmidComparing: a comparison that loses a server ends
// with status 2, and the next one finds both sides equal.
func TestServersAreStoppedHardAmidComparing(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"provider", "subscriber"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			p := ownServers(t)
			_, stop := p.replicates()
			// The rate makes it last.
			comparing := p.start("", "londiste replica.ini compare --max-rate 20kB")
			p.until("a table to be compared", func() bool {
				return p.value(p.subscriber, "select count(*)::text from skytools.compared_table") != "0"
			})
			p.stopHard(side)
			<-comparing.done
			if code := comparing.cmd.ProcessState.ExitCode(); code != 2 {
				t.Errorf("exit status %d:\n%s", code, comparing.said)
			}
			p.command("londiste replica.ini compare --full-speed")
			p.nothingLeft()
			stop()
			p.settled()
			p.exactly()
		})
	}
}

// TestServersAreStoppedHardAmidRepair: a repair that loses a server ends with
// status 2, and another one makes both sides equal, while writers go on.
func TestServersAreStoppedHardAmidRepair(t *testing.T) {
	t.Parallel()
	for _, which := range hardStops() {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			p := ownServers(t)
			_, stop := p.replicates()
			p.exec(p.subscriber, tampered)
			// The rate makes it last: line is still to be told again.
			repairing := p.start("", "londiste replica.ini repair --apply --max-rate 20kB")
			p.until("rows to be told again", func() bool { return strings.Contains(repairing.said.String(), "told once more") })
			p.stopHard(which)
			repairing.ends(t, 2)
			p.command("londiste replica.ini repair --apply --full-speed")
			p.mended()
			stop()
			p.settled()
		})
	}
}
