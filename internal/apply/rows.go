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
	var values []span
	for i := range t.in.key.Columns {
		slot := i
		if r.op != opDelete {
			slot = t.in.shape.keys[i]
		}
		values = append(values, a.set.spans[int(r.first)+slot])
	}
	return a.set.keyText(t.target, t.in.key, values)
}

// keyOf shows the key of an event that cannot be taken into the set, "" where
// not even that can be read.
func (a *Applier) keyOf(st *stream, data []byte) string {
	of := *st
	of.kind.op = opDelete // of which the key is all that counts
	var err error
	if of.plan, err = a.replan(&of, data); err != nil {
		return ""
	}
	s := a.set
	from, first := len(s.buf), len(s.spans)
	if a.decode(&of, data) != nil {
		return ""
	}
	text := s.keyText(st.target, st.key, s.spans[first:])
	s.buf, s.spans = s.buf[:from], s.spans[:first]
	return text
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
