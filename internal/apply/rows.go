package apply

import (
	"context"
	"strings"
)

// singleChunk is the number of rows that go to the server at once when they
// are applied one by one.
const singleChunk = 500

// standing counts the rows of a table that no TRUNCATE has overtaken.
func (s *set) standing(t *table) int64 {
	var n int64
	for i := t.in.floor; int(i) < len(s.rows); i++ {
		if s.rows[i].table == t.in.index {
			n++
		}
	}
	return n
}

// trySingly applies the set's events one by one in their order, after its
// TRUNCATEs. The first that fails names the row.
func (a *Applier) trySingly(ctx context.Context, try attempt) ([]*step, *failure) {
	s := a.set
	all := []*step{control(try.open), control(deferAll)}
	for _, t := range s.truncated() {
		// DELETE does where foreign keys refuse TRUNCATE.
		all = append(all, &step{sql: "delete from " + t.target.only(), role: roleTruncate, table: t, want: -1})
	}
	sent := 0
	for i := range s.rows {
		t := s.tables[s.rows[i].table]
		if int32(i) < t.in.floor {
			continue
		}
		all = append(all, a.one(int32(i))...)
		if len(all)-sent < singleChunk {
			continue
		}
		if fail := a.execSingle(ctx, all[sent:]); fail != nil {
			return nil, fail
		}
		sent = len(all)
	}
	all = append(all, a.closing(try)...)
	return all, a.execSingle(ctx, all[sent:])
}

func (a *Applier) execSingle(ctx context.Context, steps []*step) *failure {
	if fail := a.exec(ctx, steps); fail != nil {
		return fail
	}
	if s := judge(steps); s != nil && a.opt.StopOnConflict {
		return &failure{s, ErrConflict}
	}
	return nil
}

// one makes the steps for a single row. Each event tells by itself whether
// its row is there before it.
func (a *Applier) one(n int32) []*step {
	r := &a.set.rows[n]
	t := a.set.tables[r.table]
	rows := []int32{n}
	switch r.op {
	case opDelete:
		return []*step{a.remove(t, rows, 1)}
	case opInsert:
		steps := a.upsert(t, t.in.shape, rows, 1)
		if r.late {
			steps[len(steps)-1].want = -1
		}
		return steps
	}
	return a.upsert(t, t.in.shape, rows, 0)
}

// keyText shows a row's key as the server's messages do: (id)=(5).
func (a *Applier) keyText(r *row) string {
	t := a.set.tables[r.table]
	var values []string
	for i := range t.in.key.Columns {
		slot := i
		if r.op != opDelete {
			slot = t.in.shape.keys[i]
		}
		v, null := a.set.value(r, slot)
		text := string(v)
		if null {
			text = "null"
		}
		if len(text) > 200 {
			text = text[:200] + "…"
		}
		values = append(values, text)
	}
	return "(" + strings.Join(t.target.names(t.in.key.Columns), ", ") + ")=(" + strings.Join(values, ", ") + ")"
}
