package crash

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// wrongRows makes rows of the subscriber's counters wrong, some of those that are
// written all the time; of those with resyncPart a resync makes all right.
const (
	wrongRows = `update counter set n = n + 1000000 where id % 3 = 0; delete from counter where id % 5 = 0;
		insert into counter select g, 1, 0 from generate_series(5001, 5300) g`
	resyncPart = "londiste replica.ini subscriber resync counter --where (id%3=0)or(id%5=0)or(id>5000)"
)

// killResyncer: the worker dies at a commit of a resync of a part, under load, and
// the next one ends it. The command is not given again.
func killResyncer(t *testing.T, spec string) {
	p, stop := replicating(t)
	worker := p.start(spec, "londiste replica.ini replay")
	p.allOK()
	p.exec(p.subscriber, wrongRows)
	p.command(resyncPart)
	worker.killed(t)
	p.start("", "londiste replica.ini replay")
	p.partEnds()
	stop()
	p.settled()
	p.exactly()
}

// killFinder: the command dies with the keys that it has found, and is given again
// if it had not asked for them.
func killFinder(t *testing.T, spec string) {
	p, stop := replicating(t)
	worker := p.start("", "londiste replica.ini replay")
	p.allOK()
	p.exec(p.subscriber, wrongRows)
	const command = "londiste replica.ini subscriber resync counter --different --full-speed"
	p.start(spec, command).killed(t)
	p.partEnds()
	p.allOK()
	p.command(command)
	p.partEnds()
	p.nothingLeft()
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended with the command")
	}
}

// partEnds waits for the resync of a part to be over.
func (p *pair) partEnds() {
	p.t.Helper()
	p.until("the part to be there", func() bool {
		return p.value(p.subscriber, "select count(*)::text from skytools.resync_part") == "0"
	})
}

// TestPartsThroughCrashes: both servers are stopped hard, again and again, while
// parts are copied anew, by a condition and by what a comparison finds.
func TestPartsThroughCrashes(t *testing.T) {
	t.Parallel()
	p := ownServers(t)
	worker, stop := p.replicates()
	pauses := []time.Duration{1000, 400} // which part of it is hit
	if pgtest.Long() {
		pauses = append(pauses, 700, 0)
	}
	for i, pause := range pauses {
		p.exec(p.subscriber, wrongRows)
		if i%2 == 0 {
			p.command(resyncPart)
		} else {
			p.command("londiste replica.ini subscriber resync counter --different --full-speed")
		}
		time.Sleep(pause * time.Millisecond) // see above
		p.stopHard("both")
		p.partEnds()
		p.allOK()
	}
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended with a server")
	}
}
