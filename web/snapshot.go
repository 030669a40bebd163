package web

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste"
)

// View is what one look at a program's databases found. It is not changed after.
type View struct {
	Set       *londiste.Status // of a subscription; nil where the program has none
	Databases []Database       // with queues, by name; nil where the program looks after none
	Err       error            // why the list of databases could not be read
}

// Database is one database with queues.
type Database struct {
	Name   string
	Status *doctor.Status // as last read; nil: never yet
	At     time.Time      // when that was
	Err    error          // why the last look did not read it
}

// Snapshot is what a server knows.
type Snapshot struct {
	View
	At   time.Time     // when the look ended; zero: none has
	Took time.Duration // what it took

	// Whole is the set as both sides told it last, which is Set where they did
	// in this look.
	Whole   *londiste.Status
	WholeAt time.Time
}

// Age is how old the snapshot is at a time.
func (s *Snapshot) Age(now time.Time) time.Duration { return max(now.Sub(s.At), 0) }

// Trouble is why the look did not reach all databases, nil if it did.
func (s *Snapshot) Trouble() error {
	errs := []error{s.Err}
	if s.Set != nil {
		for _, n := range []londiste.NodeStatus{s.Set.Provider, s.Set.Subscriber} {
			if n.Error != "" {
				errs = append(errs, errors.New(n.Error))
			}
		}
	}
	for _, db := range s.Databases {
		errs = append(errs, db.Err)
	}
	return errors.Join(errs...)
}

// after takes over from the snapshot before what this look has not read.
func (s *Snapshot) after(before *Snapshot) {
	s.Whole, s.WholeAt = before.Whole, before.WholeAt
	if s.Set != nil && s.Set.Reachable() {
		s.Whole, s.WholeAt = s.Set, s.At
	}
	if s.Err != nil && s.Databases == nil {
		for _, db := range before.Databases {
			db.Err = s.Err
			s.Databases = append(s.Databases, db)
		}
		return
	}
	for i := range s.Databases {
		db := &s.Databases[i]
		if db.Status != nil {
			db.At = s.At
			continue
		}
		for _, old := range before.Databases {
			if old.Name == db.Name {
				db.Status, db.At = old.Status, old.At
			}
		}
	}
}

// lookLimit is how long one look may take. A side that hangs gets half of it.
const lookLimit = 10 * time.Second

// look reads the databases once and shows what it found.
func (s *Server) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	begin := time.Now()
	view := s.Read(ctx)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return // the server ends, and the databases are not to blame
	}
	now := &Snapshot{View: view, At: time.Now()}
	now.Took = now.At.Sub(begin)
	now.after(s.Snapshot())
	s.past.add(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// watch looks every now and then until ctx ends.
func (s *Server) watch(ctx context.Context) error {
	return (&loop.Loop{Idle: s.every()}).Run(ctx, func(ctx context.Context) (bool, error) {
		s.look(ctx)
		return false, nil
	})
}

// Snapshot is what the last look found; before the first it is empty, never nil.
func (s *Server) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return &Snapshot{}
	}
	return s.now
}

// Changed is closed when there is a newer snapshot than the one at the time of
// the call.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// MarshalJSON is what /status.json shows: the set and the databases as their
// programs' `status --json`, with the time of each and what went wrong.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	type database struct {
		Name   string         `json:"database"`
		At     *time.Time     `json:"read_at"` // null: never
		Error  string         `json:"error,omitempty"`
		Status *doctor.Status `json:"status"`
	}
	var list []database
	for _, db := range s.Databases {
		list = append(list, database{db.Name, moment(db.At), text(db.Err), db.Status})
	}
	return json.Marshal(struct {
		At        *time.Time       `json:"read_at"` // null: not yet
		Age       float64          `json:"age_seconds"`
		Took      float64          `json:"took_seconds"`
		Error     string           `json:"error,omitempty"`
		Set       *londiste.Status `json:"set,omitempty"`
		WholeAt   *time.Time       `json:"both_sides_answered_at,omitempty"`
		Databases []database       `json:"databases,omitempty"`
	}{moment(s.At), s.Age(time.Now()).Seconds(), s.Took.Seconds(), text(s.Trouble()), s.Set, moment(s.WholeAt), list})
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
