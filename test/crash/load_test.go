package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/ticker"
)

// load is a queue that is ticked and written into, and another database where
// something takes its events to.
type load struct {
	from, to       string // how to reach them
	source, target *pgx.Conn
	enough         chan struct{}
	loaded         chan error
}

// newLoad starts ticker, maintenance and writers, which the test's end stops.
func newLoad(t *testing.T, target pgtest.Setup) *load {
	t.Helper()
	l := &load{
		from: pgtest.Database(t, pgtest.Server(t), withQueue), to: pgtest.Database(t, pgtest.Second(t), target),
		enough: make(chan struct{}), loaded: make(chan error, 1),
	}
	l.source, l.target = pgtest.Connect(t, l.from), pgtest.Connect(t, l.to)
	beside, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() {
		stop()
		work.Wait()
	})
	db := pgtest.Config(t, l.from)
	work.Go(func() { _ = (&ticker.Ticker{Database: db}).Run(beside) })
	work.Go(func() { _ = (&ticker.Maintainer{Database: db, Delay: 50 * time.Millisecond}).Run(beside) })
	work.Go(func() { l.loaded <- writeEvents(beside, l.from, l.enough) })
	return l
}

// end ends the writers.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.enough)
	if err := <-l.loaded; err != nil {
		t.Fatal(err)
	}
}

// arrived waits until there are as many as wanted at least, and then for what
// comes twice.
func arrived(want int, count func() int) (got int) {
	for end := time.Now().Add(patience); count() < want && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond) // the events come by another process, which tells nobody here
	}
	time.Sleep(300 * time.Millisecond) // a second one has time to come
	return count()
}

func withQueue(ctx context.Context, conn *pgx.Conn) error {
	err := installed(ctx, conn)
	if err == nil {
		_, err = pgq.CreateQueue(ctx, conn, queue)
	}
	if err == nil {
		_, err = pgq.Register(ctx, conn, queue, job)
	}
	return err
}

// writeEvents writes events in transactions of all kinds until there are enough.
func writeEvents(ctx context.Context, dsn string, enough <-chan struct{}) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background()) // the test is over
	p := &pgq.Producer{Queue: queue}
	for n := 0; ; n++ {
		select {
		case <-enough:
			return nil
		case <-time.After(time.Duration(rand.IntN(10)) * time.Millisecond):
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		events := make([]pgq.Event, 1+rand.IntN(10))
		for i := range events {
			events[i] = pgq.Event{Type: "t", Data: fmt.Append(nil, n, " ", i)}
		}
		if _, err := p.InsertMany(ctx, tx, events); err != nil {
			return err
		}
		if n%7 == 0 {
			err = tx.Rollback(ctx)
		} else {
			err = tx.Commit(ctx)
		}
		if err != nil {
			return err
		}
	}
}
