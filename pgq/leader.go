package pgq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
// Behind a pooler that gives each transaction another session no lock outlasts
// a transaction. Such a ticker asks before each round whether anybody leads,
// and ticks if not. Two of them tick in turn, which the tick lock allows.
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
		t.trouble.say("pooled", "the ticker is connected through a pooler: where another one leads it stands by, but two such ones would both tick; connect it to the server itself")
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
	if time.Since(t.searched) < 2*time.Second {
		return nil
	}
	t.searched = time.Now()
	all, err := Tickers(ctx, t.conn)
	for _, other := range all {
		if other.Leads && other.PID != t.behind {
			t.behind = other.PID
			t.Log.Info("this ticker stands by: " + other.String() + " leads")
		}
	}
	return err
}

// rest sleeps between two rounds. The server hears of a leader meanwhile.
func (t *Ticker) rest(ctx context.Context, delay time.Duration) error {
	for ; t.conn != nil && delay > beat; delay -= beat {
		sleep(ctx, beat, t.Stop)
		if ctx.Err() != nil || ended(t.Stop) {
			return nil
		}
		if err := t.conn.Ping(ctx); err != nil {
			return err
		}
	}
	sleep(ctx, delay, t.Stop)
	return nil
}

// tooSilent tells that the server has ended a session that said nothing.
func tooSilent(err error) bool {
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

// OtherTickers lists sessions of programs that tick without the lock of ours:
// pgqd of Skytools, found by the statement that it repeats. The server shows it
// to the session's own role and to members of pg_read_all_stats.
func OtherTickers(ctx context.Context, conn *pgx.Conn) ([]TickerSession, error) {
	rows, err := conn.Query(ctx, `select pid, false, coalesce(usename, ''), coalesce(nullif(application_name, ''), 'pgqd'),
			coalesce(host(client_addr), ''), backend_start
		from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and query ~* '^\s*select\s+pgq\.ticker\s*\(\s*\)'
			and state_change > now() - interval '1 minute'
		order by pid`)
	if err != nil {
		return nil, fmt.Errorf("list other tickers: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSession)
	if err != nil {
		return nil, fmt.Errorf("list other tickers: %w", err)
	}
	return list, nil
}

func scanSession(row pgx.CollectableRow) (s TickerSession, err error) {
	err = row.Scan(&s.PID, &s.Leads, &s.Role, &s.Application, &s.Client, &s.Since)
	return s, err
}

// besideMend is what to do about another ticker.
func besideMend(extension bool) string {
	if extension {
		return "stop it: two ticks at the same moment can have events delivered twice, and its rotation does not look for events of old snapshots"
	}
	return "stop it: the ticker that leads does all of its work"
}

// watchOthers warns once a minute of another ticker.
func (t *Ticker) watchOthers(ctx context.Context) error {
	if time.Since(t.watched) < noticeEvery {
		return nil
	}
	t.watched = time.Now()
	others, err := OtherTickers(ctx, t.conn)
	for _, other := range others {
		t.trouble.say("other ticker", other.String()+" ticks beside this ticker; hint: "+besideMend(t.beside))
	}
	return err
}

// TickerSession is the connection of one ticker.
type TickerSession struct {
	PID   int  `json:"pid"`   // the server's process
	Leads bool `json:"leads"` // it ticks; the others stand by
	// What follows is empty where this role may not see it.
	Role        string     `json:"role"`
	Application string     `json:"application"`
	Client      string     `json:"client"` // address; "" on the server's own machine
	Since       *time.Time `json:"since"`
}

// String names the session for a person.
func (s TickerSession) String() string {
	text := fmt.Sprintf("process %d", s.PID)
	if s.Role != "" {
		text += " of " + s.Role
	}
	switch {
	case s.Application != "" && s.Client != "":
		text += fmt.Sprintf(" (%s at %s)", s.Application, s.Client)
	case s.Application != "":
		text += fmt.Sprintf(" (%s)", s.Application)
	}
	return text
}

// Tickers lists the tickers of a database, the leader first. Those that are
// connected through a pooler are not seen.
func Tickers(ctx context.Context, conn *pgx.Conn) ([]TickerSession, error) {
	rows, err := conn.Query(ctx, `select pid, leads, coalesce(usename, ''), coalesce(application_name, ''),
			coalesce(host(client_addr), ''), backend_start
		from (
			select l.pid, bool_or(classid::bigint << 32 | objid::bigint = $1) as leads
			from pg_locks l
			where locktype = 'advisory' and objsubid = 1 and granted
				and database = (select oid from pg_database where datname = current_database())
				and classid::bigint << 32 | objid::bigint in ($1, $2)
			group by l.pid
		) t left join pg_stat_activity using (pid)
		order by leads desc, pid`, int64(leaderLock), int64(tickerLock))
	if err != nil {
		return nil, fmt.Errorf("list tickers: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSession)
	if err != nil {
		return nil, fmt.Errorf("list tickers: %w", err)
	}
	return list, nil
}
