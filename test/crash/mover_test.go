package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/ticker"
)

// TestMoverIsKilled: pgqadm's queue_mover dies at each of its commits under
// load, once has its sessions ended, and the target's queue has the source's
// events, each once, in their order, with their times.
func TestMoverIsKilled(t *testing.T) {
	for _, point := range []failpoint.Point{failpoint.Batch, failpoint.Deliver, failpoint.Finish} {
		for _, when := range []string{".before-commit=kill", ".after-commit=kill", ".before-commit=kill@5", ".after-commit=kill@5"} {
			t.Run(string(point)+when, func(t *testing.T) {
				t.Parallel()
				killMover(t, string(point)+when)
			})
		}
	}
}

func killMover(t *testing.T, spec string) {
	ctx := t.Context()
	from := pgtest.Database(t, pgtest.Server(t), withQueue)
	to := pgtest.Database(t, pgtest.Second(t), withQueue)
	source, target := pgtest.Connect(t, from), pgtest.Connect(t, to)
	cfg, err := pgx.ParseConfig(from)
	if err != nil {
		t.Fatal(err)
	}
	beside, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { _ = (&ticker.Ticker{Database: cfg}).Run(beside) })
	loaded := make(chan error, 1)
	enough := make(chan struct{})
	work.Go(func() { loaded <- loadQueue(beside, from, enough) })

	ini := filepath.Join(t.TempDir(), "mover.ini")
	text := fmt.Sprintf("[queue_mover]\njob_name = %s\nsrc_db = %s\ndst_db = %s\nqueue_name = %s\ndst_queue_name = %s\n",
		job, strings.ReplaceAll(from, "%", "%%"), strings.ReplaceAll(to, "%", "%%"), queue, queue)
	if err := os.WriteFile(ini, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := filepath.Abs(filepath.Join(bin, "pgqadm"))
	if err != nil {
		t.Fatal(err)
	}
	mover := func(spec string) *process {
		return begin(t, spec, "the mover", exec.Command(program, ini, "queue_mover"))
	}
	mover(spec).killed(t)
	running := mover("")
	time.Sleep(300 * time.Millisecond)
	for _, conn := range []*pgx.Conn{source, target} {
		_, err := conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgqadm' and datname = current_database()`)
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	close(enough)
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}

	// Order and times go into the sum.
	const sum = `select count(*)::int, coalesce(md5(string_agg(ev_type || ev_data || ev_time, ',' order by ev_id)), '') from pgq.event_1`
	var want, got int
	var wantSum, gotSum string
	if err := source.QueryRow(ctx, sum).Scan(&want, &wantSum); err != nil {
		t.Fatal(err)
	}
	moved := func() bool {
		if err := target.QueryRow(ctx, sum).Scan(&got, &gotSum); err != nil {
			t.Fatal(err)
		}
		return got >= want
	}
	for end := time.Now().Add(patience); !moved() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // for what comes twice
	moved()
	if got != want || gotSum != wantSum || want < 100 {
		t.Errorf("%d events, %d came; the sums are %s and %s", want, got, wantSum, gotSum)
	}
	if !running.running() {
		t.Error("the mover ended with its sessions")
	}
}
