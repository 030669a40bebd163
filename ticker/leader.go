package ticker

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
)

// Several tickers may serve one database. Each holds tickerLock, shared, while
// it is connected; the one that holds leaderLock ticks, the others look every
// standbyDelay whether they can have it. Both are locks of the session that
// makes the ticks: who has lost the session has lost the lead, and the server
// gives the lock to nobody else as long as a tick of that session is under way.
//
// The server ends the session of a ticker that has been silent for silence: one
// whose machine or network is gone, or that was stopped. So another leads
// within two seconds in these cases, too. A leader that only slept too long
// connects again and stands by.
//
// A pooler in transaction mode is refused. One in session mode may hold a session
// and its locks for longer than its client lives, so behind it no lock outlasts a
// transaction: such a ticker asks before each round whether anybody leads, and
// ticks if not. Two of them tick in turn, which the tick lock allows.
const (
	leaderLock = 0x736b796c656164 // ASCII "skylead"
	tickerLock = 0x736b797469636b // ASCII "skytick"

	standbyDelay = 250 * time.Millisecond
	silence      = 1500 * time.Millisecond
	beat         = silence / 3 // a leader never sleeps longer without a word
)

// aliveSQL lets the server look after its clients: by idle_session_timeout
// from version 14 on, by TCP alone before.
const aliveSQL = `select set_config(name, setting, false) from (values
		('idle_session_timeout', '%[1]d'), ('tcp_user_timeout', '%[1]d'),
		('tcp_keepalives_idle', '1'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '1')
	) v (name, setting) where name in (select name from pg_settings)`

// enter makes the session a ticker's, which does not lead yet.
func (t *Ticker) enter(ctx context.Context) error {
	var pid uint32
	if err := t.conn.QueryRow(ctx, `select pg_backend_pid()`).Scan(&pid); err != nil {
		return err
	}
	if t.pooled = pid != t.conn.PgConn().PID(); t.pooled {
		t.trouble.Say("pooled", "the ticker is connected through a pooler: where another one leads it stands by, but two such ones would both tick; connect it to the server itself")
		return nil
	}
	_, err := t.conn.Exec(ctx, fmt.Sprintf(aliveSQL, silence.Milliseconds()))
	if err == nil {
		_, err = t.conn.Exec(ctx, `select pg_advisory_lock_shared($1)`, int64(tickerLock))
	}
	return err
}

// Leads tells whether this ticker is the one that ticks. Only its process does
// maintenance, see [Maintainer].
func (t *Ticker) Leads() bool { return t.leads.Load() }

// lead tries to become the leader, or to stay it, and tells whether it is.
func (t *Ticker) lead(ctx context.Context) (bool, error) {
	if t.leads.Load() && !t.pooled {
		return true, nil
	}
	take := `select pg_try_advisory_lock($1)`
	if t.pooled {
		take = `select pg_try_advisory_xact_lock($1)`
	}
	var leads bool
	if err := t.conn.QueryRow(ctx, take, int64(leaderLock)).Scan(&leads); err != nil {
		return false, err
	}
	was := t.leads.Swap(leads)
	switch {
	case !leads:
		return false, t.stoodBy(ctx)
	case !was:
		t.queues = map[int32]*ticking{} // what it knew may be of long ago
		if t.behind != 0 {
			t.behind = 0
			t.Log.Info("this ticker leads now")
		}
	}
	return true, nil
}

// stoodBy says who leads, each of them once.
func (t *Ticker) stoodBy(ctx context.Context) error {
	if time.Now().Before(t.searchAt) {
		return nil
	}
	t.searchAt = time.Now().Add(200 * time.Millisecond) // it has just come, or gone
	all, err := Sessions(ctx, t.conn)
	for _, other := range all {
		if !other.Leads {
			continue
		}
		t.searchAt = time.Now().Add(2 * time.Second)
		if other.PID != t.behind {
			t.behind = other.PID
			t.Log.Info("this ticker stands by: " + other.String() + " leads")
		}
	}
	return err
}

// rest sleeps between two rounds. The server hears of a leader meanwhile.
func (t *Ticker) rest(ctx context.Context, delay time.Duration) error {
	for ; t.conn != nil && delay > beat; delay -= beat {
		loop.Sleep(ctx, beat, t.Stop)
		if ctx.Err() != nil || ended(t.Stop) {
			return nil
		}
		if err := t.conn.Ping(ctx); err != nil {
			return err
		}
		t.heard = time.Now()
	}
	loop.Sleep(ctx, delay, t.Stop)
	return nil
}

// overslept tells that the server has ended a session that said nothing. Who
// was stopped for so long may not come to read that: the connection is closed.
func (t *Ticker) overslept(err error) bool {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return !t.heard.IsZero() && time.Since(t.heard) > silence
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "57P05"
}

func ended(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// watchOthers warns once a minute of another ticker.
func (t *Ticker) watchOthers(ctx context.Context) error {
	if time.Since(t.watched) < notice.Every {
		return nil
	}
	t.watched = time.Now()
	others, err := OtherSessions(ctx, t.conn)
	for _, other := range others {
		t.trouble.Say("other ticker", other.String()+" ticks beside this ticker; hint: "+MendOther(t.beside))
	}
	return err
}
