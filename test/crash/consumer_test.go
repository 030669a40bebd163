package crash

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
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
	l := newLoad(t, withTarget)
	consumer := func(spec string) *process {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), consumerEnv+"="+l.from, targetEnv+"="+l.to)
		return begin(t, spec, "the consumer", cmd)
	}
	consumer(spec).killed(t)
	consumer("")
	time.Sleep(500 * time.Millisecond) // it works while the writers go on
	l.end(t)

	want := pgtest.One[int](t, l.source, `select count(*) + count(*) filter (where ev_id % 5 = 0) from pgq.event_1 where ev_owner is null`)
	got := arrived(want, func() int { return pgtest.One[int](t, l.target, `select count(*) from got`) })
	doubled := pgtest.One[int](t, l.target, `select count(*) from (select from got group by ev_id, ev_retry having count(*) > 1) d`)
	if got != want || doubled != 0 || want < 100 {
		t.Errorf("%d events were to come, with those asked for again; %d came, %d of them twice", want, got, doubled)
	}
}

func withTarget(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create table got (ev_id bigint, ev_retry int, ev_data text)`)
	return err
}
