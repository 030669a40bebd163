package pgq

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

func lastData(t *testing.T, tail *Tail, n int) (data []string) {
	t.Helper()
	events, err := tail.Last(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		data = append(data, string(ev.Data))
	}
	return data
}

func moreData(t *testing.T, tail *Tail) (data []string, err error) {
	t.Helper()
	for ev, err := range tail.More(t.Context()) {
		if err != nil {
			return data, err
		}
		data = append(data, string(ev.Data))
	}
	return data, nil
}

func TestTail(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	tail := NewTail(pgtest.Connect(t, dsn), queue)
	if got := lastData(t, tail, 5); len(got) != 0 {
		t.Errorf("an empty queue has %q", got)
	}
	for i := range 7 {
		pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', $2)`, queue, fmt.Sprint(i))
		if i%2 == 0 {
			makeTick(t, conn)
		}
	}
	// Numbers drawn in vain, between two events.
	pgtest.Exec(t, conn, `select nextval('pgq.event_1_id_seq') from generate_series(1, 500)`)
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', '7')`, queue)
	makeTick(t, conn)
	for n, want := range map[int][]string{
		0: nil, 1: {"7"}, 3: {"5", "6", "7"}, 8: {"0", "1", "2", "3", "4", "5", "6", "7"}, 100: {"0", "1", "2", "3", "4", "5", "6", "7"},
	} {
		if got := lastData(t, tail, n); !slices.Equal(got, want) {
			t.Errorf("last %d: %q, want %q", n, got, want)
		}
	}

	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', '8')`, queue)
	if got, err := moreData(t, tail); err != nil || len(got) != 0 {
		t.Errorf("without a tick: %q, %v", got, err)
	}
	makeTick(t, conn)
	for range tail.More(t.Context()) { // who breaks off gets it again
		break
	}
	tail = tail.Over(pgtest.Connect(t, dsn))
	if got, err := moreData(t, tail); err != nil || !slices.Equal(got, []string{"8"}) {
		t.Errorf("more: %q, %v", got, err)
	}
	if got, err := moreData(t, tail); err != nil || len(got) != 0 {
		t.Errorf("again: %q, %v", got, err)
	}

	// Left behind.
	pgtest.Exec(t, conn, `delete from pgq.tick where tick_id = $1`, int64(last(t, conn).ID))
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', '9')`, queue)
	makeTick(t, conn)
	if _, err := moreData(t, tail); !errors.Is(err, ErrMissed) {
		t.Errorf("left behind: %v", err)
	}
	pgtest.Exec(t, conn, `select pgq.insert_event($1, 't', '10')`, queue)
	makeTick(t, conn)
	if got, err := moreData(t, tail); err != nil || !slices.Equal(got, []string{"10"}) {
		t.Errorf("after that: %q, %v", got, err)
	}
	if _, err := NewTail(conn, "none").Last(t.Context(), 1); !errors.Is(err, ErrQueueNotFound) {
		t.Errorf("no queue: %v", err)
	}
}
