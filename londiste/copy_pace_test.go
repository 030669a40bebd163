package londiste_test

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// While the provider is busy no table and no chunk is begun.
func TestCopyPausesForWriters(t *testing.T) {
	f := newFlow(t)
	f.both(wide + `; create table shelf (id int primary key)`)
	f.exec(f.provConn, books)
	f.add("book", "shelf")
	hold := func() func() {
		tx, err := pgtest.Connect(t, f.provDSN).Begin(t.Context())
		f.ok(err)
		_, err = tx.Exec(t.Context(), `insert into shelf select coalesce(max(id), 0) + txid_current()::int % 100000 from shelf`)
		f.ok(err)
		return func() { f.ok(tx.Commit(t.Context())) }
	}
	first, second := hold(), hold()
	worker := f.inChunks()
	worker.Pace.MaxWriters = 1
	w := start(t, worker.Run)
	f.says("Copy pauses: the provider is busy")
	if n := value[int](f.pair, f.subConn, `select count(attempt)::int from skytools.copy_chunk`); n != 0 {
		t.Errorf("%d chunks came while the provider was busy", n)
	}
	first()
	f.eventually(f.subConn, `select (count(*) > 0 and count(*) = count(attempt))::text from skytools.copy_chunk`, "true")
	second()
	f.allOK()
	f.equal("public.book", "public.shelf")
	f.ok(w.stop())
}

// All copies together keep to the rate.
func TestCopyKeepsToTheRate(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(wide)
	f.exec(f.provConn, books)
	f.add("book")
	worker := f.inChunks()
	worker.Pace.MaxRate = 100 << 10
	begin := time.Now()
	w := start(t, worker.Run)
	f.eventually(f.subConn, `select (count(*) > 0)::text from skytools.copy_table where finished_at is not null`, "true")
	took := time.Since(begin)
	sent := value[int](f.pair, f.subConn, `select bytes_copied::int from skytools.copy_table`)
	// The first block of each connection passes at once.
	if least := time.Duration(float64(sent-3*16<<10) / (100 << 10) * float64(time.Second)); took < least {
		t.Errorf("%d bytes in %v, at least %v at this rate", sent, took, least)
	}
	f.ok(w.stop())
}
