package crash

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
)

// barrierEnv makes the test's own program one that sets a barrier and ends it,
// with the queue's database.
const barrierEnv = "CRASH_BARRIER"

// barrierKeep is short: what a dead program leaves must end in the test.
const barrierKeep = 2 * time.Second

func barrierProgram(dsn string) error {
	ctx := context.Background()
	if err := failpoint.ArmFromEnv(); err != nil {
		return err
	}
	lock, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	other, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	snap, err := other.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	tick, err := pgq.SetBarrier(ctx, lock, snap, queue, pgq.Barrier{Kind: "test"}, barrierKeep)
	if err != nil {
		return err
	}
	_, err = pgq.KeepBarrier(ctx, lock, queue, tick, 0)
	return err
}

// killBarrier: who sets a barrier dies at a point. Consumers go on, and none of
// what is left keeps them from merging ticks for longer than was asked for.
func killBarrier(t *testing.T, spec string) {
	ctx := t.Context()
	dsn := pgtest.Database(t, pgtest.Server(t), withQueue)
	conn := pgtest.Connect(t, dsn)
	r := pgq.NewReader(conn, queue)
	first, err := r.Last(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), barrierEnv+"="+dsn)
	begin(t, spec, "the setter of a barrier", cmd).killed(t)

	if _, err := conn.Exec(ctx, `set statement_timeout = '10s'`); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the dead one's lock on ticks must be gone
		if _, err := conn.Exec(ctx, `select skytools.tick_write(queue_id) from pgq.queue where queue_name = $1`, queue); err != nil {
			t.Fatal(err)
		}
	}
	last, err := r.Last(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(barrierKeep + 10*time.Second); ; time.Sleep(50 * time.Millisecond) {
		cur, _, err := r.Next(ctx, first, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if cur.ID == last.ID {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the batch from tick %d ends at %d, not %d", first.ID, cur.ID, last.ID)
		}
	}
}
