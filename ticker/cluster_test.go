package ticker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// watch is what a test's Serve has seen.
type watch struct {
	mu     sync.Mutex
	begun  []string
	served map[string]bool
}

func (w *watch) note(name string, now bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now {
		w.begun = append(w.begun, name)
	}
	w.served[name] = now
}

func (w *watch) are(names ...string) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for name, now := range w.served {
			if now != slices.Contains(names, name) {
				return false
			}
		}
		return len(w.served) >= len(names)
	}
}

func (w *watch) times(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(strings.Join(w.begun, " ")+" ", name+" ")
}

// TestCluster: databases that are made, dropped, broken, and a server that
// goes away, which is said once and not once a database.
func TestCluster(t *testing.T) {
	s := pgtest.Own(t, pgserver.Options{})
	admin := pgtest.Admin(t, s, "postgres")
	database := func() string { return pgtest.DBName(t, pgtest.Database(t, s, install)) }
	broken, deaf, sound := database(), database(), database()

	w := &watch{served: map[string]bool{}}
	journal := &pgtest.Journal{}
	var all sync.WaitGroup
	release := make(chan struct{})
	cluster := &Cluster{
		Server: pgtest.Config(t, s.DSN("template1", pgtest.Role)), Log: journal.Logger(), Go: all.Go, CheckPeriod: 300 * time.Millisecond,
		Serve: func(ctx context.Context, db *pgx.ConnConfig, stop <-chan struct{}) error {
			w.note(db.Database, true)
			defer w.note(db.Database, false)
			switch db.Database {
			case broken:
				return errors.New("it is broken")
			case deaf: // hangs, whatever happens
				<-release
				return nil
			}
			return (&Ticker{Database: db, Stop: stop, GiveUp: true}).Run(ctx)
		},
	}
	pgtest.Start(t, "cluster", func(ctx context.Context) error {
		defer all.Wait()
		return cluster.Run(ctx)
	})
	defer close(release)
	pgtest.Eventually(t, 10*time.Second, "the sound ones are served", w.are(deaf, sound))
	pgtest.Eventually(t, 10*time.Second, "the broken one is tried again", func() bool { return w.times(broken) > 2 })
	if n := w.times(sound); n != 1 {
		t.Errorf("the sound one was begun %d times", n)
	}
	if n := journal.Count("it is broken"); n != 1 {
		t.Errorf("what is broken was said %d times", n)
	}
	if n := journal.Count("database " + broken + " is ticked"); n != 1 {
		t.Errorf("that it is ticked was said %d times", n)
	}

	late := database()
	pgtest.Eventually(t, 10*time.Second, "a new one is served", w.are(deaf, sound, late))
	pgtest.Exec(t, admin, `alter database `+sound+` is_template true`)
	pgtest.Eventually(t, 10*time.Second, "a template is left alone", w.are(deaf, late))
	pgtest.Exec(t, admin, `alter database `+sound+` is_template false`)
	pgtest.Eventually(t, 10*time.Second, "it is served again", w.are(deaf, sound, late))

	if err := s.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 10*time.Second, "nothing is served", w.are(deaf))
	pgtest.Eventually(t, 10*time.Second, "it is said", func() bool { return journal.Count("waits: cannot reach") > 0 })
	time.Sleep(time.Second) // some more tries of the databases: nothing but time shows that none is told
	for _, name := range []string{sound, late} {
		if n := journal.Count("database " + name + " waits"); n != 0 {
			t.Errorf("it was told %d times of %s, too", n, name)
		}
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Eventually(t, 10*time.Second, "all are served again", w.are(deaf, sound, late))
	if n := journal.Count("the server answers"); n != 1 {
		t.Errorf("its return was told %d times", n)
	}
}
