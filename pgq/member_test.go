package pgq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestMembersShare: several members get each event between them, those that
// come again too, while some die with their batch open; with a key, the events
// of one are done in their order.
func TestMembersShare(t *testing.T) {
	for _, key := range []string{"", "ev_type"} {
		t.Run("key="+key, func(t *testing.T) {
			dsn := database(t)
			conn := pgtest.Connect(t, dsn)
			pgtest.Exec(t, conn, `select pgq.register_consumer($1, $2)`, queue, consumer)
			if key != "" {
				pgtest.Exec(t, conn, `select skytools.coop_set_key($1, $2, $3, 8)`, queue, consumer, key)
			}
			var mu sync.Mutex
			came := map[string]int{}        // by event
			order := map[string][]EventID{} // by type
			by := map[string]int{}          // by member
			member := func(name string, dies bool) {
				ctx, die := context.WithCancel(t.Context())
				t.Cleanup(die)
				pgtest.Start(t, name, func(outer context.Context) error {
					context.AfterFunc(outer, die)
					c := &Consumer{Database: pgtest.Config(t, dsn), Queue: queue, Name: consumer, Member: name, DeadAfter: 300 * time.Millisecond, Poll: 10 * time.Millisecond}
					return c.Run(ctx, func(ctx context.Context, b *Batch) error {
						var got []Event
						for ev, err := range b.Events(ctx) {
							if err != nil {
								return err
							}
							if got = append(got, ev); ev.ID%7 == 0 && ev.Retry == 0 {
								b.Retry(ev, 0)
							}
						}
						time.Sleep(10 * time.Millisecond) // work that is worth sharing
						mu.Lock()
						defer mu.Unlock()
						if dies && len(got) > 0 && by[name] > 0 {
							die()
							return ctx.Err()
						}
						for _, ev := range got {
							came[fmt.Sprint(ev.ID, " ", ev.Retry)]++
							by[name]++
							if ev.Retry == 0 {
								order[ev.Type] = append(order[ev.Type], ev.ID)
							}
						}
						return nil
					})
				})
			}
			for i := range 4 {
				member(fmt.Sprint("m", i), i < 2)
			}
			p := &Producer{Queue: queue}
			want := 0
			for range 60 {
				events := make([]Event, 10)
				for i := range events {
					events[i] = Event{Type: fmt.Sprint("key", i)}
				}
				ids, err := p.InsertMany(t.Context(), conn, events)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range ids {
					if want++; id%7 == 0 {
						want++
					}
				}
				makeTick(t, conn)
				pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
				time.Sleep(5 * time.Millisecond)
			}
			pgtest.Eventually(t, 20*time.Second, "all are done", func() bool {
				pgtest.Exec(t, conn, `select pgq.maint_retry_events()`)
				makeTick(t, conn)
				mu.Lock()
				defer mu.Unlock()
				return len(came) >= want
			})
			mu.Lock()
			defer mu.Unlock()
			for ev, n := range came {
				if n != 1 {
					t.Errorf("event %s came %d times", ev, n)
				}
			}
			if len(came) != want || len(by) < 3 {
				t.Errorf("%d of %d, by %v", len(came), want, by)
			}
			for typ, ids := range order {
				if key != "" && !slices.IsSorted(ids) {
					t.Errorf("%s in the order %v", typ, ids)
				}
			}
		})
	}
}
