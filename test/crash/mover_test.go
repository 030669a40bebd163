package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestMoverIsKilled: pgqadm's queue_mover dies at each of its commits under
// load, once has its sessions ended, and the target's queue has the source's
// events, each once, in their order, with their times.
func TestMoverIsKilled(t *testing.T) {
	t.Parallel()
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
	l := newLoad(t, withQueue)
	ini := filepath.Join(t.TempDir(), "mover.ini")
	text := fmt.Sprintf("[queue_mover]\njob_name = %s\nsrc_db = %s\ndst_db = %s\nqueue_name = %s\ndst_queue_name = %s\n",
		job, strings.ReplaceAll(l.from, "%", "%%"), strings.ReplaceAll(l.to, "%", "%%"), queue, queue)
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
	for _, conn := range []*pgx.Conn{l.source, l.target} {
		pgtest.Exec(t, conn, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgqadm' and datname = current_database()`)
	}
	time.Sleep(300 * time.Millisecond)
	l.end(t)

	want := pgtest.One[int](t, l.source, `select count(*)::int from pgq.event_1`)
	got := arrived(want, func() int { return pgtest.One[int](t, l.target, `select count(*)::int from pgq.event_1`) })
	// Order and times go into the sum.
	const sum = `select coalesce(md5(string_agg(ev_type || ev_data || ev_time, ',' order by ev_id)), '') from pgq.event_1`
	wantSum, gotSum := pgtest.One[string](t, l.source, sum), pgtest.One[string](t, l.target, sum)
	if got != want || gotSum != wantSum || want < 100 {
		t.Errorf("%d events, %d came; the sums are %s and %s", want, got, wantSum, gotSum)
	}
	if !running.running() {
		t.Error("the mover ended with its sessions")
	}
}
