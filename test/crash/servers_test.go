package crash

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestServersAreStoppedHard stops one side's server or both, `immediate`,
// while rows are copied and applied; the programs go on by themselves.
func TestServersAreStoppedHard(t *testing.T) {
	for _, c := range []struct {
		name                 string
		provider, subscriber bool
	}{
		{"provider", true, false},
		{"subscriber", false, true},
		{"both", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			providerSrv := pgtest.Own(t, pgserver.Options{Fsync: true})
			subscriberSrv := pgtest.Own(t, pgserver.Options{Fsync: true})
			p := newPair(t, providerSrv, subscriberSrv)
			p.install()
			p.start("", "pgqadm ticker.ini ticker")
			worker := p.start("", "londiste replica.ini replay")
			stop := p.load(t.Context(), 2)
			for _, pause := range []time.Duration{150 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond} {
				time.Sleep(pause)
				for _, side := range []struct {
					hit bool
					srv *pgserver.Server
				}{{c.provider, providerSrv}, {c.subscriber, subscriberSrv}} {
					if !side.hit {
						continue
					}
					if err := side.srv.Stop(t.Context(), "immediate"); err != nil {
						t.Fatal(err)
					}
					if err := side.srv.Restart(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
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
	subscriberSrv := pgtest.Own(t, pgserver.Options{Conf: map[string]string{
		"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB",
	}})
	p := newPair(t, pgtest.Server(t), subscriberSrv)
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	p.start("", "londiste replica.ini replay")
	stop := p.load(t.Context(), 2)
	for range 2 {
		time.Sleep(2 * time.Second)
		if err := subscriberSrv.Stop(t.Context(), "immediate"); err != nil {
			t.Fatal(err)
		}
		if err := subscriberSrv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	stop()
	p.settled()
	p.exactly()
}
