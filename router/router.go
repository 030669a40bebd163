package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/pgq"
)

// Config is what a [Router] works with. Zero durations take the defaults named.
type Config struct {
	Root     *pgxpool.Pool   // of the provider
	RootLook *pgx.ConnConfig // where Run looks; nil: as the pool connects
	Replicas []Replica
	Queue    string        // pgq_queue_name
	MaxLag   time.Duration // age up to which rows are fresh where a read does not say; default 1 s
	Wait     time.Duration // how long a read waits for a replica within its age to come up to its tokens; default 0, not at all
	Every    time.Duration // between looks at a database; default 100 ms
	Log      *slog.Logger  // nil means none
}

// Replica is a subscriber of the queue. Its pool leads to the subscriber's own
// database: a standby of it may be behind what is looked at.
type Replica struct {
	Name     string // for status and log
	Pool     *pgxpool.Pool
	Look     *pgx.ConnConfig // where Run looks: the server itself, if a pooler in transaction mode is before the pool; nil: as the pool connects
	Consumer string          // its job_name, or pgq_consumer_id where that is set
	Weight   int             // of two that are fresh, one of weight 2 gets twice as many reads; 0 means 1
}

// Router chooses pools. Make it with [New]; its methods may be called from many
// goroutines.
type Router struct {
	Config

	mu        sync.Mutex
	past      history
	rootSeen  time.Time // last answer of the root
	rootErr   error
	asked     time.Time   // begin of the last look that asked for ticks
	replicas  []*standing // in the order of Config.Replicas
	rootReads int64
	changed   chan struct{} // closed at each look that found something
	missing   chan struct{} // a replica stands at a tick that is not known
}

// New checks the configuration and connects to nothing. Until [Router.Run] has
// looked, every read goes to the root.
func New(c Config) (*Router, error) {
	switch {
	case c.Root == nil:
		return nil, errors.New("router: no pool of the root")
	case c.Queue == "":
		return nil, hint.With(errors.New("router: no queue"), "it is pgq_queue_name of the ini")
	case c.MaxLag < 0 || c.Wait < 0 || c.Every < 0:
		return nil, errors.New("router: a negative duration")
	}
	c.MaxLag, c.Every = cmp.Or(c.MaxLag, time.Second), cmp.Or(c.Every, 100*time.Millisecond)
	c.Log = notice.Logger(c.Log)
	r := &Router{Config: c, changed: make(chan struct{}), missing: make(chan struct{}, 1)}
	r.past.keep = 2*c.MaxLag + time.Minute
	names := map[string]bool{}
	for _, p := range c.Replicas {
		switch {
		case p.Name == "" || names[p.Name]:
			return nil, hint.With(fmt.Errorf("router: replica name %q", p.Name), "each replica needs a name of its own")
		case p.Pool == nil:
			return nil, fmt.Errorf("router: replica %s has no pool", p.Name)
		case p.Consumer == "":
			return nil, hint.With(fmt.Errorf("router: replica %s has no consumer", p.Name), "it is job_name of the replica's ini, or pgq_consumer_id")
		case p.Weight < 0:
			return nil, fmt.Errorf("router: replica %s has weight %d", p.Name, p.Weight)
		}
		names[p.Name] = true
		p.Weight = cmp.Or(p.Weight, 1)
		r.replicas = append(r.replicas, &standing{Replica: p, err: errNotSeen})
	}
	return r, nil
}

var errNotSeen = errors.New("it has not answered yet")

// ErrNoReplica: none is as fresh as a read with [ReplicaOnly] wants.
var ErrNoReplica = errors.New("no replica is fresh enough")

// Write is the root's pool.
func (r *Router) Write() *pgxpool.Pool { return r.Root }

// Read is the pool of a replica that is what the wants say, or the root's where
// none is. What is read through it is at least as new, while the replica lives.
// An error is ErrNoReplica or that of ctx while it waits.
func (r *Router) Read(ctx context.Context, wants ...Want) (*pgxpool.Pool, error) {
	q := request{within: r.MaxLag}
	for _, w := range wants {
		w(&q)
	}
	deadline := time.Now().Add(r.Wait)
	for {
		pool, wait, changed := r.choose(&q)
		if pool != nil {
			return pool, nil
		}
		left := time.Until(deadline)
		if !wait || left <= 0 {
			break
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if q.replicaOnly {
		return nil, hint.With(ErrNoReplica, "Status tells of each why; wait, ask for less, or read at the root")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rootReads++
	return r.Root, nil
}

// choose takes one of the replicas that will do. Where none will, it tells
// whether one may once it has come up to the tokens, and what to wait for. One
// that is too old is not waited for: each read would, as long as it is held back.
func (r *Router) choose(q *request) (pool *pgxpool.Pool, wait bool, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var fresh []*standing
	total := 0
	for _, s := range r.replicas {
		switch age, why := r.age(s, now); {
		case why != "", age > q.within:
		case !r.past.has(q.tokens, r.tickOf(s)):
			wait = wait || r.past.mayCome(q.tokens)
		default:
			fresh = append(fresh, s)
			total += s.Weight
		}
	}
	if total == 0 {
		return nil, wait, r.changed
	}
	at := rand.IntN(total)
	for _, s := range fresh {
		if at -= s.Weight; at < 0 {
			s.reads++
			return s.Pool, false, nil
		}
	}
	return nil, false, r.changed // not reached: the weights add up to total
}

// age is how old the replica's rows may be. A reason says that this cannot be
// told, or does not matter.
func (r *Router) age(s *standing, now time.Time) (age time.Duration, why string) {
	switch {
	case s.err != nil:
		return 0, s.err.Error()
	case now.Sub(s.seen) > r.silence():
		return 0, "it does not answer"
	case len(s.Parked) > 0:
		return 0, "parked: " + strings.Join(s.Parked, ", ")
	case len(s.Copying) > 0:
		return 0, "being copied: " + strings.Join(s.Copying, ", ")
	}
	m := r.tickOf(s)
	switch {
	case m == nil:
		return 0, fmt.Sprintf("tick %d is not known at the root", s.Position)
	case m.ID != s.Position:
	case !s.TickTime.IsZero() && !s.TickTime.Equal(m.Time), s.Provider != "" && s.Provider != r.past.server:
		return 0, fmt.Sprintf("it follows another queue: tick %d of it is another one", s.Position)
	}
	if m.asOf.IsZero() {
		return 0, "it is behind everything that was looked at so far"
	}
	return now.Sub(m.asOf), ""
}

// tickOf is the tick at which the replica stands. Until the root has been asked
// for that, the one before it that was known: what is at that is there still.
func (r *Router) tickOf(s *standing) *mark {
	m := r.past.ticks[s.Position]
	if m == nil && s.Position > s.known && r.asked.Before(s.moved) {
		m = r.past.ticks[s.known]
	}
	return m
}

// silence is how long after its last answer a database counts as dead.
func (r *Router) silence() time.Duration { return max(10*r.Every, time.Second) }

// tell wakes the reads that wait. The lock is held.
func (r *Router) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// wanted are the ticks at which replicas stand and that are not known.
func (r *Router) wanted() (ids []pgq.TickID) {
	for _, s := range r.replicas {
		if s.Position > 0 && r.past.ticks[s.Position] == nil {
			ids = append(ids, s.Position)
		}
	}
	return ids
}
