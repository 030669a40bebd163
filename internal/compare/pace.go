package compare

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pace is how much of a server a comparison may take.
type Pace struct {
	// Yield lets it read at full speed only while nobody else is at work on
	// either server, and take a small share of one core else: an end that is
	// ahead would have to wait for the other.
	Yield bool
	// MaxRate is in bytes of table a second, for each end; 0: no limit.
	MaxRate int64
}

const (
	wholeSlice = 8 << 20 // bytes read at a time
	smallSlice = 1 << 20 // while others work: they wait for no longer
	// share is the part of the time in which it reads while others work.
	share = 1.0 / 64
	// quiet is how many sessions of others may be at work, on average, on a
	// server that counts as idle.
	quiet   = 0.05
	lookGap = time.Second
)

// load watches what others do on a server while it is read. What is not known
// yet is busy.
type load struct {
	scans atomic.Int32 // under way
	calm  atomic.Bool  // known to be
	mu    sync.Mutex
	at    time.Time
	seen  float64       // as the server counts: seconds of work, or transactions
	own   time.Duration // work of ours since
	runs  float64       // transactions of ours since
	sent  int64         // bytes, from the first slice on
	begun time.Time
}

// busy tells whether others wait for this end, or for its peer, which may be done.
func (e *End) busy() bool {
	return !e.load.calm.Load() || e.peer != nil && e.peer.load.scans.Load() > 0 && !e.peer.load.calm.Load()
}

func (e *End) pages(p Pace) int64 {
	if p.Yield && e.busy() || p.MaxRate > 0 && p.MaxRate < 4*wholeSlice {
		return smallSlice / e.block
	}
	return wholeSlice / e.block
}

// rest pauses after a slice for as long as the pace asks for.
func (e *End) rest(ctx context.Context, conn *pgx.Conn, p Pace, read piece, took time.Duration) error {
	l := &e.load
	if p.Yield {
		if err := l.look(ctx, conn, took); err != nil {
			return err
		}
	}
	end := read.to
	if end == 0 {
		end = max(read.leaf.pages, read.from+1)
	}
	l.mu.Lock()
	if l.begun.IsZero() {
		l.begun = time.Now().Add(-took)
	}
	l.sent += (end - read.from) * e.block
	var pause time.Duration
	if p.MaxRate > 0 {
		pause = time.Until(l.begun.Add(time.Duration(float64(l.sent) / float64(p.MaxRate) * float64(time.Second))))
	}
	if p.Yield && e.busy() {
		pause = max(pause, time.Duration(float64(took)*(1/share-1)))
	}
	l.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Before 14 the server does not tell how long its sessions have worked, and
// each transaction counts for ten milliseconds.
const (
	workSQL = `select coalesce(sum(active_time), 0) / 1000 from pg_stat_database`
	runsSQL = `select coalesce(sum(xact_commit + xact_rollback), 0)::float8 from pg_stat_database`
	perRun  = 0.01
)

// look asks the server once a second how much work it has done.
func (l *load) look(ctx context.Context, conn *pgx.Conn, took time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own += took
	l.runs++
	if gap := time.Since(l.at); l.at.IsZero() || gap >= lookGap {
		sql, unit := workSQL, 1.0
		if conn.PgConn().ParameterStatus("server_version") < "14" {
			sql, unit = runsSQL, perRun
		}
		var now float64
		if err := conn.QueryRow(ctx, sql).Scan(&now); err != nil {
			return err
		}
		ours := l.own.Seconds()
		if unit == perRun {
			ours = (l.runs + 1) * perRun
		}
		if !l.at.IsZero() {
			l.calm.Store(((now-l.seen)*unit-ours)/gap.Seconds() <= quiet)
		}
		l.at, l.seen, l.own, l.runs = time.Now(), now, 0, 0
	}
	return nil
}
