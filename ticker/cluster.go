package ticker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
)

// Cluster keeps track of the databases of one server (PostgreSQL calls it a
// cluster) and has each that holds PgQ served, by a goroutine and connections
// of its own: one that is slow or broken does not hold up the others.
//
//	listed, not served ── Serve ──► served
//	served ── Serve fails ────────► waits, then is served again
//	no PgQ, or too old a one ─────► looked at again every CheckPeriod
//	no longer listed ─────────────► ended
//
// It reads the list every CheckPeriod and when Serve fails, over a connection
// that it does not keep: CREATE DATABASE wants its template without visitors.
// While the server is down it says so once, not once a database.
type Cluster struct {
	Server *pgx.ConnConfig // how to reach the database that the list is read in
	Only   []string        // databases to serve; nil: all
	// Serve ticks and maintains one database until it fails (Ticker.GiveUp),
	// ctx ends or stop is closed.
	Serve func(ctx context.Context, db *pgx.ConnConfig, stop <-chan struct{}) error
	// Go starts a goroutine that the caller waits for after Run.
	Go          func(func())
	Log         *slog.Logger
	CheckPeriod time.Duration   // between looks for new and dropped databases; default 1 min
	Stop        <-chan struct{} // closed: let each finish its work and leave; may be nil

	wait    notice.Notice // for the server
	trouble notice.Notice // with single databases
	known   map[string]*member
	wake    chan struct{} // somebody's Serve has ended
	looked  time.Time     // when the list was read
	down    bool          // it could not be read
	missing map[string]bool
}

// member is a database that is on the list.
type member struct {
	stop   chan struct{}
	cancel context.CancelFunc
	done   chan struct{} // closed when Serve has ended; nil: not begun
	err    error         // what it ended with, to be read after done
	since  time.Time     // when it began
	again  time.Time     // when to begin anew
	delay  time.Duration // how long to wait after the next failure
	unfit  string        // why it has last been found not ready
	failed bool          // it ended with an error, and has not been served for long since
}

const (
	clusterPace   = time.Second      // between looks whether something is due
	settled       = 5 * time.Second  // a failed database is served for so long: it works again
	againDelay    = time.Second      // before a database is served again, doubling
	maxAgainDelay = 20 * time.Second // the longest
)

// Run has the databases served until ctx ends or Stop is closed. Goroutines
// begun by Go end soon after; the caller waits for them.
func (c *Cluster) Run(ctx context.Context) error {
	c.Log = notice.Logger(c.Log)
	c.wait, c.trouble = notice.Notice{Log: c.Log}, notice.Notice{Log: c.Log}
	c.known, c.missing, c.wake = map[string]*member{}, map[string]bool{}, make(chan struct{}, 1)
	if c.CheckPeriod <= 0 {
		c.CheckPeriod = time.Minute
	}
	defer func() {
		for _, db := range c.known {
			db.end()
		}
	}()
	l := loop.Loop{
		Idle: clusterPace, MaxBackoff: 2 * time.Second, Wake: c.wake, Stop: c.Stop,
		OnError: func(err error, _ time.Duration) { c.wait.Waiting("waits: " + notice.Explain(err)) },
	}
	return l.Run(ctx, func(ctx context.Context) (bool, error) { return false, c.step(ctx) })
}

// end lets a database's work come to its end.
func (db *member) end() {
	if db.stop != nil {
		close(db.stop)
		db.stop = nil
	}
}

// over tells whether Serve has ended and nobody has looked at that yet.
func (db *member) over() bool {
	if db.done == nil {
		return false
	}
	select {
	case <-db.done:
		return true
	default:
		return false
	}
}

func (c *Cluster) step(ctx context.Context) error {
	due := time.Since(c.looked) >= c.CheckPeriod
	for name, db := range c.known {
		if db.failed && db.done != nil && !db.over() && time.Since(db.since) > settled {
			db.failed, db.delay = false, againDelay
			c.Log.Info(fmt.Sprintf("database %s is ticked again", name))
		}
		due = due || db.over() || db.done == nil && !time.Now().Before(db.again)
	}
	if !due {
		return nil
	}
	names, err := c.list(ctx)
	if err != nil {
		c.down = true
		return err
	}
	c.wait.Over("the server answers")
	c.looked = time.Now()
	for name, db := range c.known {
		c.review(name, db, slices.Contains(names, name))
	}
	c.down = false
	for _, name := range names {
		db := c.known[name]
		if db == nil {
			db = &member{delay: againDelay}
			c.known[name] = db
		}
		if db.done == nil && !time.Now().Before(db.again) {
			c.begin(ctx, name, db)
		}
	}
	return nil
}

// review looks at what has become of a database.
func (c *Cluster) review(name string, db *member, listed bool) {
	if !listed {
		if db.done == nil || db.over() {
			if db.unfit == "" {
				c.Log.Info(fmt.Sprintf("database %s is gone", name))
			}
			delete(c.known, name)
			return
		}
		db.cancel() // there is nothing left to finish
		return
	}
	if !db.over() {
		return
	}
	db.done = nil
	unfit, isUnfit := errors.AsType[*NotReady](db.err)
	switch {
	case db.err == nil, c.down: // the server was away, and that has been said
		db.again = time.Now()
	case isUnfit:
		if db.unfit != unfit.Reason {
			c.Log.Info("not ticked: " + unfit.Reason)
		}
		db.unfit, db.again = unfit.Reason, time.Now().Add(c.CheckPeriod)
	default:
		c.trouble.Say(name+db.err.Error(), fmt.Sprintf("database %s waits: %s", name, notice.Explain(db.err)))
		db.again, db.delay, db.failed = time.Now().Add(db.delay), min(2*db.delay, maxAgainDelay), true
	}
}

// begin has a database served.
func (c *Cluster) begin(ctx context.Context, name string, db *member) {
	config := c.Server.Copy()
	config.Database = name
	ctx, cancel := context.WithCancel(ctx)
	stop, done, quiet := make(chan struct{}), make(chan struct{}), db.failed
	db.stop, db.done, db.cancel, db.since, db.err = stop, done, cancel, time.Now(), nil
	c.Go(func() {
		defer cancel()
		if db.err = CheckReady(ctx, config); db.err == nil {
			if !quiet {
				c.Log.Info(fmt.Sprintf("database %s is ticked", name))
			}
			db.err = c.Serve(ctx, config, stop)
		}
		close(done)
		select {
		case c.wake <- struct{}{}:
		default:
		}
	})
}

// list reads the names of the databases to serve.
func (c *Cluster) list(ctx context.Context) ([]string, error) {
	conn, err := session.Open(ctx, c.Server, tickLockWait)
	if err != nil {
		return nil, err
	}
	defer session.Close(ctx, conn)
	names, err := Databases(ctx, conn)
	if err != nil {
		return nil, err
	}
	if c.Only == nil {
		return names, nil
	}
	for _, name := range c.Only {
		there := slices.Contains(names, name)
		if !there && !c.missing[name] {
			c.Log.Warn(fmt.Sprintf("database %s is not there, or lets this role not in", name))
		}
		c.missing[name] = !there
	}
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(c.Only, name) }), nil
}

// Databases lists the databases of the server that conn is connected to: those
// that let its role in and are no templates, whether they hold PgQ or not.
func Databases(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `select datname from pg_database
		where datallowconn and not datistemplate and datconnlimit <> -2 -- one half dropped
			and has_database_privilege(oid, 'connect')
		order by 1`)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	return names, nil
}
