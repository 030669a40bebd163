package doctor

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
)

// server is what the checks of a server look at: any database of it will do.
type server struct {
	conn *pgx.Conn
	now  func() time.Time
	long time.Duration // how long a transaction may be open
	big  int64         // bytes of event tables that nobody minds
}

// ExamineServer is the part of [Examine] that is about the server and the way to
// it. The database may be an empty one.
func ExamineServer(ctx context.Context, conn *pgx.Conn) ([]Finding, error) {
	return run(ctx, serverChecks, &server{conn: conn, now: time.Now, long: 5 * time.Minute, big: 1 << 30})
}

// serverChecks are in the order in which trouble has trouble in its wake.
var serverChecks = []Check[*server]{
	{"server", "its version is served, and it is a primary", "an old version lacks what the schemas use; a standby takes no writes", serverSQL(versionSQL)},
	{"pooler", "the connection is the server's own", "behind a pooler in transaction mode a session's settings and locks are other clients'", poolerOf},
	{"network", "quick enough", "each batch takes several round trips, and a copy takes all of the throughput", networkOf},
	{"clock", "server and this machine agree", "lag, ages and retries are told by clocks", clockOf},
	{"connections", "there is room", "a daemon that gets no session stands still", serverSQL(connectionsSQL)},
	{"role", "its login does not expire", "a daemon whose password has expired ends at its next connection", serverSQL(roleSQL)},
	{"settings", "none that hurts", "what daemons can set for themselves they do; these they cannot", serverSQL(settingsSQL)},
	{"collations", "those of the indexes", "an index made under another version of a collation does not find its rows: keys may be doubled", collationsOf},
	{
		"transactions", "none has been running for long", "rotation of all queues and vacuum wait for the oldest transaction of the server",
		func(ctx context.Context, x *server) ([]Finding, error) {
			return Query(ctx, x.conn, transactionsSQL, x.long.Seconds())
		},
	},
	{"slots", "none lies idle", "an idle replication slot keeps WAL until the disk is full, and dead rows from vacuum", serverSQL(slotsSQL)},
	{"wraparound", "far away", "a server near the wraparound of its transaction ids takes no more writes", serverSQL(wraparoundSQL)},
	{"autovacuum", "it keeps the tables of PgQ small", "the bookkeeping of queues is updated all the time, and grows without vacuum", serverSQL(autovacuumSQL)},
	{
		"disk", "event tables are not the most of it", "a queue that is not emptied fills the disk",
		func(ctx context.Context, x *server) ([]Finding, error) { return Query(ctx, x.conn, diskSQL, x.big) },
	},
}

func serverSQL(sql string) func(context.Context, *server) ([]Finding, error) {
	return func(ctx context.Context, x *server) ([]Finding, error) { return Query(ctx, x.conn, sql) }
}

// poolerOf tells what stands between.
func poolerOf(ctx context.Context, x *server) ([]Finding, error) {
	switch p, err := session.PoolingOf(ctx, x.conn); {
	case err != nil || p == session.Direct:
		return nil, err
	case p == session.ByTransaction:
		return []Finding{{Result: Failed, Text: "a pooler in transaction mode stands between", Mend: session.Unpool}}, nil
	}
	return []Finding{{Result: Sound, Text: "a pooler in session mode stands between"}}, nil
}

// probe is how many bytes are fetched to see how fast the way is.
const probe = 1 << 20

// networkOf measures the way to the server: the quickest of some round trips,
// and how long a megabyte takes.
func networkOf(ctx context.Context, x *server) ([]Finding, error) {
	trip := time.Duration(math.MaxInt64)
	for range 5 {
		begin := time.Now()
		if _, err := session.Backend(ctx, x.conn); err != nil {
			return nil, err
		}
		trip = min(trip, time.Since(begin))
	}
	begin := time.Now()
	var text string
	err := x.conn.QueryRow(ctx, `select pg_catalog.repeat('x', $1)`, pgx.QueryExecModeExec, probe).Scan(&text)
	if err != nil {
		return nil, err
	}
	return judgeNetwork(trip, time.Since(begin)), nil
}

func judgeNetwork(trip, mega time.Duration) []Finding {
	f := Finding{
		Result: Sound,
		Text:   fmt.Sprintf("round trip %s, %.1f MB/s", trip.Round(10*time.Microsecond), probe/max(mega, 1).Seconds()/1e6),
	}
	switch {
	case trip > 50*time.Millisecond:
		f.Result, f.Mend = Warning, "run the program near this server, or near the subscriber if it has two; raise ticker_max_lag for fewer, larger batches"
	case mega > time.Second:
		f.Result, f.Mend = Warning, "a faster way; while tables are copied, copy_max_rate leaves room for others"
	}
	return []Finding{f}
}

// clockOf compares the clocks as far as the round trip allows.
func clockOf(ctx context.Context, x *server) ([]Finding, error) {
	low, high, err := ClockOffset(ctx, x.conn, x.now)
	if err != nil {
		return nil, err
	}
	if off := max(low, -high); off > clockTolerance {
		return []Finding{{
			Result: Warning, Text: fmt.Sprintf("the server's clock and this machine's differ by %s", pgq.Seconds(off)),
			Mend: "have both follow a time server: timedatectl set-ntp true",
		}}, nil
	}
	return nil, nil
}

const clockTolerance = 2 * time.Second

// ClockOffset tells how far the server's clock is ahead of now, at least and at
// most.
func ClockOffset(ctx context.Context, conn *pgx.Conn, now func() time.Time) (low, high time.Duration, err error) {
	var theirs time.Time
	before := now()
	err = conn.QueryRow(ctx, `select pg_catalog.clock_timestamp()`, pgx.QueryExecModeExec).Scan(&theirs)
	after := now()
	return theirs.Sub(after), theirs.Sub(before), err
}

// collationsOf: a database has a collation version of its own from 15 on.
func collationsOf(ctx context.Context, x *server) ([]Finding, error) {
	var number int
	err := x.conn.QueryRow(ctx, `select pg_catalog.current_setting('server_version_num')::pg_catalog.int4`, pgx.QueryExecModeExec).Scan(&number)
	if err != nil {
		return nil, err
	}
	sql := collationsSQL
	if number >= 150000 {
		sql = strings.Join([]string{databaseCollationSQL, collationsSQL}, " union all ")
	}
	return Query(ctx, x.conn, sql)
}
