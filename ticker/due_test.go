package ticker

import (
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestTickerBringsWhatIsDue: with a ticker and no maintenance a delayed event
// and a retry come about a second after their time, and not before.
func TestTickerBringsWhatIsDue(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	startTicker(t, dsn)
	pgtest.Exec(t, conn, `select pgq.register_consumer('q.one', 'c')`)
	pgtest.Exec(t, conn, `select skytools.insert_event_at('q.one', clock_timestamp() + interval '1 second', 't', 'later')`)
	pgtest.Exec(t, conn, `select pgq.event_retry_raw('q.one', 'c', clock_timestamp() + interval '1 second', null, now(), 1, 't', 'again', null, null, null, null)`)
	began := time.Now()
	got := map[string]time.Duration{}
	pgtest.Eventually(t, 5*time.Second, "both events", func() bool {
		for {
			batch := pgtest.One[*int64](t, conn, `select pgq.next_batch('q.one', 'c')`)
			if batch == nil {
				return len(got) == 2
			}
			for _, data := range pgtest.One[[]string](t, conn, `select coalesce(array_agg(ev_data), '{}') from pgq.get_batch_events($1)`, *batch) {
				got[data] = time.Since(began)
			}
			pgtest.Exec(t, conn, `select pgq.finish_batch($1)`, *batch)
		}
	})
	for data, after := range got {
		if after < 900*time.Millisecond {
			t.Errorf("%s came after %s", data, after)
		}
	}
	if early := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_1 where ev_data = 'later' and ev_time > now()`); early > 0 {
		t.Error("the delayed event's time is not that when it was due")
	}
}
