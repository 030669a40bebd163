package ticker

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Session is the connection of one ticker.
type Session struct {
	PID   int  `json:"pid"`   // the server's process
	Leads bool `json:"leads"` // it ticks; the others stand by
	// What follows is empty where this role may not see it.
	Role        string     `json:"role"`
	Application string     `json:"application"`
	Client      string     `json:"client"` // address; "" on the server's own machine
	Since       *time.Time `json:"since"`
}

// String names the session for a person.
func (s Session) String() string {
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

// Sessions lists the tickers of a database, the leader first. Those that are
// connected through a pooler are not seen.
func Sessions(ctx context.Context, conn *pgx.Conn) ([]Session, error) {
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

func scanSession(row pgx.CollectableRow) (s Session, err error) {
	err = row.Scan(&s.PID, &s.Leads, &s.Role, &s.Application, &s.Client, &s.Since)
	return s, err
}

// OtherSessions lists sessions of programs that tick without the lock of ours:
// pgqd of Skytools, found by the statement that it repeats. The server shows it
// to the session's own role and to members of pg_read_all_stats.
func OtherSessions(ctx context.Context, conn *pgx.Conn) ([]Session, error) {
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

// MendOther is what to do about another ticker.
func MendOther(extension bool) string {
	if extension {
		return "stop it: two ticks at the same moment can have events delivered twice, and its rotation does not look for events of old snapshots"
	}
	return "stop it: the ticker that leads does all of its work"
}
