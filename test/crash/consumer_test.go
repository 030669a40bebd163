package crash

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

// consumerEnv makes the test's own program a consumer, with the queue's
// database; targetEnv names the other.
const (
	consumerEnv = "CRASH_CONSUMER"
	targetEnv   = "CRASH_TARGET"
)

// consumerProgram writes down each event that comes. Every fifth it asks for
// once more.
func consumerProgram() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := func() error {
		if err := failpoint.ArmFromEnv(); err != nil {
			return err
		}
		from, err := pgx.ParseConfig(os.Getenv(consumerEnv))
		if err != nil {
			return err
		}
		target, err := pgx.Connect(context.Background(), os.Getenv(targetEnv))
		if err != nil {
			return err
		}
		c := pgq.Consumer{Database: from, Queue: queue, Name: job, Log: log}
		return c.RunTx(context.Background(), target, func(ctx context.Context, tx pgx.Tx, b *pgq.Batch) error {
			for ev, err := range b.Events(ctx) {
				if err != nil {
					return err
				}
				if ev.ID%5 == 0 && ev.Retry == 0 {
					b.Retry(ev, 0)
				}
				if _, err := tx.Exec(ctx, `insert into got values ($1, $2, $3)`, int64(ev.ID), ev.Retry, string(ev.Data)); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	log.Error("the consumer ended", "error", err)
	return 1
}

// killConsumer: a consumer dies at a point and is started again. Each committed
// event must have been written once, and each that was to come again once more.
func killConsumer(t *testing.T, spec string) {
	ctx := t.Context()
	from := pgtest.Database(t, pgtest.Server(t), withQueue)
	to := pgtest.Database(t, pgtest.Second(t), withTarget)
	queueConn, target := pgtest.Connect(t, from), pgtest.Connect(t, to)
	cfg, err := pgx.ParseConfig(from)
	if err != nil {
		t.Fatal(err)
	}
	beside, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { _ = (&ticker.Ticker{Database: cfg}).Run(beside) })
	work.Go(func() { _ = (&ticker.Maintainer{Database: cfg, Delay: 50 * time.Millisecond}).Run(beside) })
	loaded := make(chan error, 1)
	enough := make(chan struct{})
	work.Go(func() { loaded <- loadQueue(beside, from, enough) })

	consumer := func(spec string) *process {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), consumerEnv+"="+from, targetEnv+"="+to)
		return begin(t, spec, "the consumer", cmd)
	}
	consumer(spec).killed(t)
	consumer("")
	time.Sleep(500 * time.Millisecond) // it works while the writers go on
	close(enough)
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}

	const wanted = `select count(*) + count(*) filter (where ev_id % 5 = 0) from pgq.event_1 where ev_owner is null`
	want, got := 0, 0
	if err := queueConn.QueryRow(ctx, wanted).Scan(&want); err != nil {
		t.Fatal(err)
	}
	settled := func() bool {
		if err := target.QueryRow(ctx, `select count(*) from got`).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got >= want
	}
	for end := time.Now().Add(patience); !settled() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // for what comes twice
	settled()
	doubled := 0
	if err := target.QueryRow(ctx, `select count(*) from (select from got group by ev_id, ev_retry having count(*) > 1) d`).Scan(&doubled); err != nil {
		t.Fatal(err)
	}
	if got != want || doubled != 0 || want < 100 {
		t.Errorf("%d events were to come, with those asked for again; %d came, %d of them twice", want, got, doubled)
	}
}

func withQueue(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	if err == nil {
		_, err = pgq.CreateQueue(ctx, conn, queue)
	}
	if err == nil {
		_, err = pgq.Register(ctx, conn, queue, job)
	}
	return err
}

func withTarget(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create table got (ev_id bigint, ev_retry int, ev_data text)`)
	return err
}

// loadQueue writes events in transactions of all kinds until there are enough.
func loadQueue(ctx context.Context, dsn string, enough <-chan struct{}) error {
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
