package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// whoPasses tells for each failpoint.Point which program passes it. A point
// without a line here fails TestEveryPointIsKilledAt.
var whoPasses = map[failpoint.Point]string{
	failpoint.Install:    "install",
	failpoint.Register:   "register",
	failpoint.Tick:       "ticker",
	failpoint.Notify:     "ticker",
	failpoint.Rotate:     "ticker",
	failpoint.Maintain:   "ticker",
	failpoint.Batch:      "consumer",
	failpoint.Deliver:    "consumer",
	failpoint.Finish:     "consumer",
	failpoint.Claim:      "worker",
	failpoint.Position:   "worker",
	failpoint.Apply:      "worker",
	failpoint.Settle:     "worker",
	failpoint.Ack:        "worker",
	failpoint.Fkey:       "worker",
	failpoint.Witness:    "unlogged",
	failpoint.Emptied:    "unlogged",
	failpoint.CopyStart:  "worker",
	failpoint.CopyLedger: "worker",
	failpoint.CopyData:   "worker",
	failpoint.CopyChunk:  "worker",
	failpoint.CopyReport: "worker",
	failpoint.CopyCatch:  "worker",
	failpoint.CopyIndex:  "worker",
	failpoint.CopyState:  "worker",
	failpoint.CopyFinish: "worker",
	failpoint.Barrier:    "compare",
	failpoint.Repair:     "repair",
	failpoint.Export:     "exporter",
	failpoint.Fetch:      "compare",
	failpoint.Compare:    "compare",
	failpoint.ParkHold:   "parker",
	failpoint.Park:       "parker",
	failpoint.ParkEnd:    "parker",
	failpoint.PartFound:  "finder",
	failpoint.PartAside:  "resyncer",
	failpoint.PartRows:   "resyncer",
	failpoint.Cluster:    "cluster",
}

// passes are the passes to kill at: the first, and for what happens again and
// again a later one, amid work. The quick run takes the first before the commit
// and the later one after it.
func passes(name string) []int {
	point, side, _ := strings.Cut(name, ".")
	later := map[failpoint.Point]int{
		failpoint.CopyLedger: 3, // a chunk's beginning, the first pass is an attempt's
		failpoint.CopyChunk:  6, failpoint.ParkHold: 3,
		failpoint.PartFound: 4, // when the keys have been asked for
		failpoint.Tick:      4, failpoint.Apply: 4, failpoint.Settle: 4, failpoint.Ack: 4, failpoint.CopyState: 4,
		failpoint.Batch: 4, failpoint.Deliver: 4, failpoint.Finish: 4,
	}[failpoint.Point(point)]
	switch {
	case later == 0:
		return []int{1}
	case pgtest.Long():
		return []int{1, later}
	case side == "after-commit":
		return []int{later}
	}
	return []int{1}
}

// TestEveryPointIsKilledAt kills at every failpoint in turn.
func TestEveryPointIsKilledAt(t *testing.T) {
	t.Parallel()
	for _, name := range failpoint.All() {
		point, _, _ := strings.Cut(name, ".")
		kill := map[string]func(*testing.T, string){
			"install": killInstall, "register": killRegister, "ticker": killTicker, "worker": killWorker,
			"consumer": killConsumer, "compare": killCompare, "repair": killRepair, "exporter": killExporter, "parker": killParker,
			"finder": killFinder, "resyncer": killResyncer, "unlogged": killUnlogged, "cluster": killCluster,
		}[whoPasses[failpoint.Point(point)]]
		if kill == nil {
			t.Errorf("nobody is said to pass %s", name)
			continue
		}
		for _, n := range passes(name) {
			spec := fmt.Sprintf("%s=kill@%d", name, n)
			t.Run(spec, func(t *testing.T) {
				t.Parallel()
				kill(t, spec)
			})
		}
	}
}

// killInstall: an install that dies leaves all or nothing, and is run again.
func killInstall(t *testing.T, spec string) {
	p := pairOf(t, nil, nil, providerTables, subscriberTables)
	for _, side := range []string{"provider", "subscriber"} {
		p.start(spec, "londiste replica.ini "+side+" install").killed(t)
	}
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	p.start("", "londiste replica.ini replay")
	p.settled()
}

// killRegister: each registering command dies once and is run again.
func killRegister(t *testing.T, spec string) {
	p := newPair(t, nil, nil)
	p.command("londiste replica.ini provider install")
	p.command("londiste replica.ini subscriber install")
	for _, line := range []string{"provider add owner", "provider add-seq line_id_seq", "subscriber add owner", "subscriber add-seq line_id_seq"} {
		p.start(spec, "londiste replica.ini "+line).killed(t)
		p.command("londiste replica.ini " + line)
	}
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	p.start("", "londiste replica.ini replay")
	p.settled()
	p.start(spec, "londiste replica.ini provider remove counter").killed(t)
	p.command("londiste replica.ini provider remove --all")
	if n := p.value(p.provider, "select count(*)::text from pg_trigger where starts_with(tgname, '_londiste')"); n != "0" {
		t.Errorf("%s triggers are left after remove", n)
	}
}

func killTicker(t *testing.T, spec string) {
	p := newPair(t, nil, nil)
	p.install()
	if strings.HasPrefix(spec, string(failpoint.Rotate)) {
		p.command("pgqadm ticker.ini config " + queue + " rotation_period=1")
		p.rotated = true
	}
	worker := p.start("", "londiste replica.ini replay")
	stop := p.load(t.Context(), 2)
	p.start(spec, "pgqadm ticker.ini ticker").killed(t)
	p.start("", "pgqadm ticker.ini ticker")
	time.Sleep(time.Second)
	stop()
	p.settled()
	p.exactly()
	if !worker.running() {
		t.Error("the worker ended with the ticker")
	}
}

// killWorker: the copies and the first batches happen under load; the worker
// dies at the point and is started again.
func killWorker(t *testing.T, spec string) {
	p := newPair(t, nil, nil)
	if strings.HasPrefix(spec, "copy-") {
		p.inChunks()
	}
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	stop := p.load(t.Context(), 2)
	worker := p.start(spec, "londiste replica.ini replay")
	worker.killed(t)
	p.start("", "londiste replica.ini replay")
	time.Sleep(time.Second)
	stop()
	p.settled()
	p.exactly()
}

// exactly compares three counts of events: those that the writers' changes
// must have made, those in the queue, and those that the subscriber's worker
// has taken from the tick at which it began.
func (p *pair) exactly() {
	p.t.Helper()
	// A line makes an event, and with it each writer increments one counter.
	made := p.extra + p.number(p.provider, `select count(*) + `+fmt.Sprint(1+p.events)+` * count(*) filter (where writer > 0) from line where writer <> 0`)
	start := p.number(p.subscriber, `select tick_id from started order by started_id limit 1`)
	before := 0
	if start > 1 { // else all came after it; the tick may be gone
		before = p.number(p.provider, fmt.Sprintf(`select count(*) from pgq.event_1, pgq.tick
			where tick_id = %d and txid_visible_in_snapshot(ev_txid, tick_snapshot)`, start))
	}
	if !p.rotated {
		if held := p.number(p.provider, `select count(*) from pgq.event_1`); held != made {
			p.t.Errorf("the changes make %d events, the queue holds %d", made, held)
		}
	}
	counted := p.number(p.subscriber, `select coalesce(sum(events), 0) from skytools.table_counter where consumer_name = '`+job+`'`)
	if counted != made-before {
		p.t.Errorf("%d events were written, %d of them before the worker began at tick %d: the subscriber counted %d",
			made, before, start, counted)
	}
}

func (proc *process) running() bool {
	select {
	case <-proc.done:
		return false
	default:
		return true
	}
}

// TestPointsAreAllUsed: the table above names points that exist, and no other.
func TestPointsAreAllUsed(t *testing.T) {
	for point := range whoPasses {
		if !slices.Contains(failpoint.All(), string(point)+".before-commit") {
			t.Errorf("%s is no failpoint", point)
		}
	}
}
