package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// inChunks has the pair's larger tables copied in chunks of two pages, slowly
// enough to be interrupted.
func (p *pair) inChunks() {
	p.t.Helper()
	pgtest.RequireVersion(p.t, p.providerSrv, 14, "range scans by ctid")
	path := filepath.Join(p.dir, "replica.ini")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("replica.ini", string(text)+"copy_chunk_size = 16kB\ncopy_workers = 2\ncopy_max_rate = 150kB\n")
}

const chunksDone = "select count(*) from skytools.copy_chunk where table_name = 'public.counter' and attempt is not null"

// TestKilledCopyGoesOn kills the daemon again and again while it copies, and
// counts what is done again: the chunks as the daemon tells them, and the rows that
// the subscriber was sent. It is at most one chunk of each connection cut off.
func TestKilledCopyGoesOn(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil, nil)
	p.inChunks()
	p.exec(p.provider, "update counter set log = array_fill(1, array[100])")
	p.install()
	p.start("", "pgqadm ticker.ini ticker")
	const kills, workers = 5, 2
	for i := range kills {
		worker := p.start("", "londiste replica.ini replay")
		more := p.number(p.subscriber, chunksDone) + 5
		p.until("five more chunks", func() bool { return p.number(p.subscriber, chunksDone) >= more })
		if err := worker.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		worker.killed(t)
		if n := p.number(p.subscriber, "select coalesce(max(attempt), 0) from skytools.copy_table where table_name = 'public.counter'"); n != i+1 {
			t.Errorf("kill %d came in attempt %d", i+1, n)
		}
	}
	p.start("", "londiste replica.ini replay")
	p.settled()
	var told struct {
		Tables []struct {
			Name string `json:"name"`
			Copy struct {
				Chunks   int `json:"chunks"`
				Attempts int `json:"attempts"`
				Redone   int `json:"chunks_redone"`
			} `json:"copy"`
		} `json:"tables"`
	}
	said := p.command("londiste replica.ini wait-sync counter --json")
	if err := json.Unmarshal([]byte(said), &told); err != nil || len(told.Tables) != 1 {
		t.Fatalf("%v: %s", err, said)
	}
	progress := told.Tables[0].Copy
	chunks, redone := p.number(p.subscriber, chunksDone), progress.Redone
	rows := p.number(p.subscriber, "select count(*) from counter")
	most := p.number(p.subscriber, "select max(rows_copied) from skytools.copy_chunk where table_name = 'public.counter'")
	inserted := p.number(p.subscriber, "select n_tup_ins from pg_stat_all_tables where relid = 'counter'::regclass")
	t.Logf("%d rows in %d chunks of at most %d rows, %d rows inserted, %d chunks redone", rows, chunks, most, inserted, redone)
	if redone < 1 || redone > kills*workers || progress.Chunks != chunks || progress.Attempts != kills+1 {
		t.Errorf("after %d kills of %d workers, each amid a chunk: %+v", kills, workers, progress)
	}
	if again := inserted - rows; again > redone*most {
		t.Errorf("%d rows were copied again, more than %d chunks of %d rows", again, redone, most)
	}
	if chunks < 25 {
		t.Errorf("%d chunks: this shows little", chunks)
	}
}

// TestServersStopAmidChunks stops one side's server or both, `immediate`,
// while chunks are under way, under load.
func TestServersStopAmidChunks(t *testing.T) {
	t.Parallel()
	for _, which := range hardStops() {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			p := ownServers(t)
			p.inChunks()
			p.exec(p.provider, "update counter set log = array_fill(1, array[100])")
			p.install()
			p.start("", "pgqadm ticker.ini ticker")
			stop := p.load(t.Context(), 2)
			p.start("", "londiste replica.ini replay")
			for range 2 {
				more := p.number(p.subscriber, chunksDone) + 5
				p.until("five more chunks", func() bool {
					return p.value(p.subscriber, "select (("+chunksDone+") >= "+fmt.Sprint(more)+")::text") == "true"
				})
				p.stopHard(which)
			}
			time.Sleep(time.Second) // some load after the last restart
			stop()
			p.settled()
			p.exactly()
			attempts := p.number(p.subscriber, "select attempt from skytools.copy_table where table_name = 'public.counter'")
			first := p.number(p.subscriber, "select count(*) from skytools.copy_chunk where table_name = 'public.counter' and attempt = 1")
			if attempts < 3 || first < 5 {
				t.Errorf("%d attempts, %d chunks of the first: this shows little", attempts, first)
			}
		})
	}
}
