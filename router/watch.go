package router

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

// standing is a replica and what the last look at it told.
type standing struct {
	Replica
	londiste.Standing
	known pgq.TickID // the last before Position that was known at the root
	moved time.Time  // when Position was found
	seen  time.Time  // last answer
	err   error      // of the last look
	reads int64
}

// aside are the tables whose rows are older than the position says.
func (s *standing) aside() []string { return slices.Concat(s.Parked, s.Copying) }

const (
	lookTime   = 5 * time.Second // that a look may take
	maxBackoff = 5 * time.Second // between tries to reach a database
)

// Run looks at the databases until ctx ends, over sessions of its own: as the
// pools' user, with what BeforeConnect of a pool does. A database that does not
// answer is tried again, after longer pauses.
func (r *Router) Run(ctx context.Context) error {
	var watches sync.WaitGroup
	watches.Go(func() {
		r.watch(ctx, place{"root", r.Root, r.RootLook}, r.missing, r.lookAtRoot, func(err error) { r.rootErr = err })
	})
	for _, s := range r.replicas {
		watches.Go(func() {
			r.watch(ctx, place{"replica " + s.Name, s.Pool, s.Look}, nil, func(ctx context.Context, conn *pgx.Conn) error {
				return r.lookAtReplica(ctx, conn, s)
			}, func(err error) { s.err = err })
		})
	}
	watches.Wait()
	return nil
}

// place is a database that is looked at.
type place struct {
	name string
	pool *pgxpool.Pool
	look *pgx.ConnConfig // or nil
}

// watch looks at one database again and again. note gets the result of each look,
// under the lock.
func (r *Router) watch(ctx context.Context, at place, wake <-chan struct{},
	look func(context.Context, *pgx.Conn) error, note func(error),
) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			session.Close(ctx, conn)
		}
	}()
	n := notice.Notice{Log: r.Log}
	l := loop.Loop{Idle: r.Every, MinBackoff: r.Every, MaxBackoff: max(maxBackoff, r.Every), Wake: wake}
	// Its errors are not given to the loop's end: none of them is for good.
	_ = l.Run(ctx, func(ctx context.Context) (bool, error) {
		short, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		var err error
		if conn == nil {
			conn, err = at.open(short)
		}
		if err == nil {
			err = look(short, conn)
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		r.mu.Lock()
		note(err)
		r.mu.Unlock()
		if err == nil {
			n.Over(at.name + " answers again")
			return false, nil
		}
		n.Waiting(fmt.Sprintf("%s: %s", at.name, notice.Explain(err)))
		if conn != nil && !session.Outlived(err) {
			session.Close(ctx, conn)
			conn = nil
		}
		return false, err
	})
}

// open makes a session beside the pool: an application that has all of the
// pool's connections in use must not make its replicas look old.
func (p place) open(ctx context.Context) (*pgx.Conn, error) {
	db, err := p.config(ctx)
	if err != nil {
		return nil, err
	}
	if db.RuntimeParams["application_name"] == "" {
		db.RuntimeParams["application_name"] = "router"
	}
	conn, err := session.Open(ctx, db, time.Second)
	if err != nil && p.look == nil && hint.Of(err) == session.Unpool {
		err = hint.With(err, "Look, beside the pool, is the way to the server itself; reads go on through the pooler")
	}
	return conn, err
}

// config is how to connect.
func (p place) config(ctx context.Context) (*pgx.ConnConfig, error) {
	if p.look != nil {
		return p.look.Copy(), nil
	}
	cfg := p.pool.Config()
	if cfg.BeforeConnect == nil {
		return cfg.ConnConfig, nil
	}
	return cfg.ConnConfig, cfg.BeforeConnect(ctx, cfg.ConnConfig)
}

func (r *Router) lookAtRoot(ctx context.Context, conn *pgx.Conn) error {
	begun := time.Now()
	end, err := londiste.ReadQueueEnd(ctx, conn, r.Queue)
	if err != nil {
		return err
	}
	after, named := r.noteEnd(look{begun, end})
	if end.Tick.ID <= after && len(named) == 0 {
		return nil // each replica stands at a tick that is known
	}
	ticks, err := end.Ticks(ctx, conn, after, named)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.past.addTicks(ticks, begun)
	r.asked = begun
	r.tell()
	return nil
}

// noteEnd takes a look in, and says which ticks are still to be read.
func (r *Router) noteEnd(l look) (after pgq.TickID, named []pgq.TickID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rootSeen = time.Now()
	if r.past.run != (run{}) && r.past.run != runOf(l.end.Started, l.end.Database) {
		r.Log.Warn("The root was started anew, or is another one: tokens from before are read at the root")
	}
	if r.past.begin(&l.end) {
		r.past.last = max(l.end.Tick.ID-1, 0)
	}
	r.past.addLook(l, func(id pgq.TickID) bool {
		for _, s := range r.replicas {
			if s.Position == id || s.known == id {
				return true
			}
		}
		return false
	})
	return r.past.last, r.wanted()
}

func (r *Router) lookAtReplica(ctx context.Context, conn *pgx.Conn, s *standing) error {
	now, err := londiste.ReadStanding(ctx, conn, r.Queue, s.Consumer)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	moved := now.Position != s.Position || s.err != nil || s.aside() != nil
	if now.Position != s.Position {
		if r.past.ticks[s.Position] != nil {
			s.known = s.Position
		}
		s.moved = time.Now()
	}
	s.Standing, s.seen, s.err = now, time.Now(), nil
	if r.past.ticks[now.Position] == nil {
		select {
		case r.missing <- struct{}{}:
		default:
		}
	}
	if moved {
		r.tell()
	}
	return nil
}
