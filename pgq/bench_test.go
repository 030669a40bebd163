package pgq

import (
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// BenchmarkStream reads one batch of 200,000 events of about 200 bytes.
func BenchmarkStream(b *testing.B) {
	const events = 200_000
	conn := pgtest.Connect(b, database(b))
	prev := last(b, conn)
	pgtest.Exec(b, conn, `insert into pgq.event_1_0 (ev_time, ev_type, ev_data, ev_extra1)
		select now(), '{"op":"INSERT","table":["public","entry"],"pkey":["id"]}', repeat('x', 120), 'public.entry'
		from generate_series(1, $1)`, events)
	cur := makeTick(b, conn)
	r := NewReader(conn, queue)
	b.ReportAllocs()
	for b.Loop() {
		n, size := 0, 0
		if err := r.Stream(b.Context(), prev, cur, func(ev *RawEvent) error {
			n++
			size += len(ev.Data)
			return nil
		}); err != nil || n != events {
			b.Fatalf("%d events, %v", n, err)
		}
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}
