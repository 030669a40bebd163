package apply

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestMemoryOfManyRows: the heap stays small whatever the number of events in
// a transaction.
func TestMemoryOfManyRows(t *testing.T) {
	r := newRig(t, benchDDL, "ev")
	a := New(r.tables, Options{})
	debug.FreeOSMemory()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	most := uint64(0)
	err := pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
		_, err := a.Transaction(t.Context(), tx, func() error {
			for i := range 100_000 {
				if err := a.Event(t.Context(), benchEvent("INSERT", int64(i), i)); err != nil {
					return err
				}
				if i%5000 == 0 {
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapInuse)
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(most) - int64(before.HeapInuse); grown > 24<<20 {
		t.Errorf("heap grew by %d MiB", grown>>20)
	}
	r.want("select count(*) from ev", "(100000)")
}

// TestMemoryOfOneRow: a huge row costs three times its size here (the set,
// the parameter, the driver's buffer), to which the reader's own adds a fourth.
func TestMemoryOfOneRow(t *testing.T) {
	const size = 32 << 20
	r := newRig(t, entryDDL, "t")
	ev := r.ev("INSERT t id", "")
	ev.Data = append(append([]byte(`{"id":1,"v":"`), bytes.Repeat([]byte("x"), size)...), `"}`...)
	r.must(r.evs(`INSERT t id {"id":2,"v":"small"}`, `DELETE t id {"id":2,"v":"small"}`)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.must(ev)
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > size*7/2 {
		t.Errorf("a row of %d MiB cost %d MiB", size>>20, spent>>20)
	}
	r.want("select length(v) from t", "(33554432)")
	if kept := cap(r.a.set.buf) + cap(r.a.spare.buf) + cap(r.a.flusher.enc) + cap(r.a.flusher.wire); kept > 4*r.a.opt.MaxBytes {
		t.Errorf("%d MiB are kept", kept>>20)
	}
}
