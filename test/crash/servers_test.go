package crash

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// hardStops are the servers that a case stops. What happens in the quick run
// when both are stopped is seen by TestServersAreStoppedHard.
func hardStops() []string {
	if pgtest.Long() {
		return []string{"provider", "subscriber", "both"}
	}
	return []string{"provider", "subscriber"}
}

// ownServers is a pair on servers of its own, which may be stopped.
func ownServers(t *testing.T) *pair {
	t.Helper()
	return newPair(t, pgtest.Own(t, pgserver.Options{Fsync: true}), pgtest.Own(t, pgserver.Options{Fsync: true}))
}

// stopHard stops a side's server or both, `immediate`, and starts it again.
func (p *pair) stopHard(which string) {
	p.t.Helper()
	for side, srv := range map[string]*pgserver.Server{"provider": p.providerSrv, "subscriber": p.subscriberSrv} {
		if which != side && which != "both" {
			continue
		}
		if err := srv.Stop(p.t.Context(), "immediate"); err != nil {
			p.t.Fatal(err)
		}
		if err := srv.Restart(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestServersAreStoppedHard stops one side's server or both, `immediate`,
// while rows are copied and applied; the programs go on by themselves.
func TestServersAreStoppedHard(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"provider", "subscriber", "both"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			p := ownServers(t)
			p.install()
			p.start("", "pgqadm ticker.ini ticker")
			worker := p.start("", "londiste replica.ini replay")
			stop := p.load(t.Context(), 2)
			for _, pause := range []time.Duration{150 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond} {
				time.Sleep(pause) // now here, now there in the copies and batches
				p.stopHard(which)
			}
			time.Sleep(time.Second)
			stop()
			p.settled()
			p.exactly()
			if !worker.running() {
				t.Error("the worker ended with a server")
			}
		})
	}
}

// TestLostCommits: a subscriber with synchronous_commit = off that dies loses
// its last commits, rows and position together.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	subscriberSrv := pgtest.Own(t, pgserver.Options{Conf: map[string]string{
		"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB",
	}})
	p := newPair(t, pgtest.Server(t), subscriberSrv)
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	p.start("", "londiste replica.ini replay")
	stop := p.load(t.Context(), 2)
	for range 2 {
		time.Sleep(2 * time.Second) // commits that are not on the disk yet
		p.stopHard("subscriber")
	}
	time.Sleep(time.Second)
	stop()
	p.settled()
	p.exactly()
}
