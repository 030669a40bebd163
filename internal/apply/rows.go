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
	for i := s.in(t).floor; int(i) < len(s.rows); i++ {
		if s.rows[i].table == s.in(t).index {
			n++
		}
	}
	return n
}

// trySingly applies the set's events one by one in their order, after its
// TRUNCATEs. The first that fails names the row.
func (f *flusher) trySingly(ctx context.Context, try attempt) ([]*step, *failure) {
	s := f.set
	all := []*step{control(try.open), control(deferAll), setting(f.pin)}
	for _, t := range s.truncated() {
		// DELETE does where foreign keys refuse TRUNCATE.
		all = append(all, &step{sql: "delete from " + t.target.only(), role: roleTruncate, table: t, want: -1})
	}
	sent := 0
	for i := range s.rows {
		t := s.tables[s.rows[i].table]
		if int32(i) < s.in(t).floor {
			continue
		}
		all = append(all, f.one(int32(i))...)
		if len(all)-sent < singleChunk {
			continue
		}
		if fail := f.execSingle(ctx, all[sent:]); fail != nil {
			return nil, fail
		}
		sent = len(all)
	}
	all = append(append(all, setting(f.unpin)), f.closing(try, f.opt.StopOnConflict)...)
	return all, f.execSingle(ctx, all[sent:])
}

func (f *flusher) execSingle(ctx context.Context, steps []*step) *failure {
	if fail := f.exec(ctx, steps); fail != nil {
		return fail
	}
	if s := judge(steps); s != nil && f.opt.StopOnConflict {
		return &failure{s, ErrConflict}
	}
	return nil
}

// one makes the steps for a single row. Each event tells by itself whether
// its row is there before it.
func (f *flusher) one(n int32) []*step {
	r := &f.set.rows[n]
	t := f.set.tables[r.table]
	rows := []int32{n}
	switch r.op {
	case opDelete:
		return []*step{f.remove(t, rows, 1)}
	case opInsert:
		if s := f.set.in(t).shape; f.set.whole(t) {
			return []*step{{stmt: s.insertStmt(), table: t, rows: rows, slots: s.all(), want: -1}}
		}
		steps := f.upsert(t, f.set.in(t).shape, rows, 1)
		if r.late {
			steps[len(steps)-1].want = -1
		}
		return steps
	}
	return f.upsert(t, f.set.in(t).shape, rows, 0)
}

// keyText shows a row's key as the server's messages do: (id)=(5). A row
// without a key has none to show.
func (f *flusher) keyText(r *row) string {
	t := f.set.tables[r.table]
	var values []span
	in := f.set.in(t)
	if in.key.whole {
		return ""
	}
	for i := range in.key.Columns {
		slot := i
		if r.op != opDelete {
			slot = in.shape.keys[i]
		}
		values = append(values, f.set.spans[int(r.first)+slot])
	}
	return f.set.keyText(t.target, in.key, values)
}

func (s *set) keyText(t *Target, key *Key, values []span) string {
	var texts []string
	for _, v := range values {
		text := string(s.text(v))
		if v.n < 0 {
			text = "null"
		}
		if len(text) > 200 {
			text = text[:200] + "…"
		}
		texts = append(texts, text)
	}
	return "(" + strings.Join(t.names(key.Columns), ", ") + ")=(" + strings.Join(texts, ", ") + ")"
}
