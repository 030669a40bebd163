package apply

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
)

// set holds the events of one flush: their rows in event order, for the case
// that they must be applied one by one, and the last state of each key.
//
// The buffer holds each event's data as it came, decoded in place; a row is a
// run of spans into it.
type set struct {
	buf     []byte
	spans   []span
	rows    []row
	entries []entry
	keys    []byte  // canonical keys of the entries
	slots   []int32 // hash table over entries, open addressing; 0 is free
	seed    maphash.Seed
	scratch []byte

	tables []*table // that have events in the set
	side   int      // which of a table's two inSets is this set's
}

// row is one event. Of a delete only the key's columns are kept, if there is
// a key.
type row struct {
	event int64
	first uint32 // its first span
	entry int32  // its key's entry; -1 in a table applied in event order
	table int32
	op    op
	late  bool // an INSERT of a key that was told to be there
}

// entry is one key of one table.
type entry struct {
	hash  uint64
	from  uint32 // canonical key in set.keys
	to    uint32
	last  int32 // row that decides
	table int32
	first op    // first operation: tells whether the row was there before
	net   int32 // without a key: how many equal rows come, less those that go
}

// inSet is what a table has in the current set.
type inSet struct {
	index     int32 // in set.tables; -1: none
	key       *Key  // how its rows are told apart; nil until the first
	shape     *shape
	floor     int32 // rows below are gone by a TRUNCATE
	truncates int64
	ordered   bool // rows go one by one, in event order
	events    int64
	moved     int64 // rows that may be missing, see moves
}

func newSet(maxRows, side int) *set {
	size := 64
	for size < 2*maxRows {
		size *= 2
	}
	return &set{seed: maphash.MakeSeed(), slots: make([]int32, size), side: side}
}

// in is what the table has in the set.
func (s *set) in(t *table) *inSet { return &t.in[s.side] }

func (s *set) empty() bool { return len(s.tables) == 0 }

// bytes is what the set holds in memory, roughly.
func (s *set) bytes() int {
	return len(s.buf) + len(s.keys) + 8*len(s.spans) + 72*len(s.rows)
}

// enter makes the table one of the set's.
func (s *set) enter(t *table) *inSet {
	in := s.in(t)
	if in.index < 0 {
		*in = inSet{index: int32(len(s.tables))}
		s.tables = append(s.tables, t)
	}
	in.events++
	return in
}

// truncate drops what the table has in the set.
func (s *set) truncate(t *table) {
	in := s.enter(t)
	in.floor = int32(len(s.rows))
	in.truncates++
	in.key, in.shape, in.ordered = nil, nil, false
}

// room makes place for n more bytes of data without holding much more than
// that: a single row can be hundreds of megabytes.
func (s *set) room(n int) {
	if cap(s.buf)-len(s.buf) >= n {
		return
	}
	grown := make([]byte, len(s.buf), max(len(s.buf)+n, min(2*cap(s.buf), cap(s.buf)+1<<20)))
	copy(grown, s.buf)
	s.buf = grown
}

// add notes a row of the table, whose values are the spans from r.first on.
// keySlots are the positions of the key's columns among them.
func (s *set) add(t *table, r row, key *Key, keySlots []int) told {
	in := s.enter(t)
	in.key = key
	r.table, r.entry, r.late = in.index, -1, false
	how := toldFirst
	if !in.ordered {
		ok := s.canonical(&r, key, keySlots)
		in.ordered = !ok
		if ok {
			if r.entry, how = s.note(in, r.op); key.whole {
				how = toldAgain // equal rows may be many
			}
			r.late = how == toldLate
		}
	}
	s.rows = append(s.rows, r)
	return how
}

// canonical puts a row's key into s.scratch, if it has a canonical form.
func (s *set) canonical(r *row, key *Key, keySlots []int) (ok bool) {
	s.scratch = s.scratch[:0]
	if key.whole { // one table's values have one text, of whatever type they are
		for _, slot := range keySlots {
			v := s.spans[int(r.first)+slot]
			s.scratch = append(binary.BigEndian.AppendUint32(s.scratch, uint32(v.n)), s.text(v)...)
		}
		return true
	}
	ok = key.collapsible()
	for i := 0; ok && i < len(keySlots); i++ {
		s.scratch, ok = appendCanonical(s.scratch, key.classes[i], s.text(s.spans[int(r.first)+keySlots[i]]))
	}
	return ok
}

// takes tells whether the events of o can follow in the same set: rows of a
// table must have one key and shape, and offsets have 32 bits.
func (s *set) takes(o *set) bool {
	if len(s.buf)+len(o.buf) > math.MaxInt32 {
		return false
	}
	for _, t := range o.tables {
		in, more := s.in(t), o.in(t)
		if in.key == nil || more.key == nil || more.truncates > 0 {
			continue
		}
		if in.key != more.key || in.shape != nil && more.shape != nil && in.shape != more.shape {
			return false
		}
	}
	return true
}

// absorb adds the events of o, which came after those of s, and empties o.
func (s *set) absorb(o *set, keep int) {
	base := uint32(len(s.buf))
	s.buf = append(s.buf, o.buf...)
	first := uint32(len(s.spans))
	for _, v := range o.spans {
		v.off += base
		s.spans = append(s.spans, v)
	}
	begun := make([]bool, len(o.tables))
	begin := func(i int32) { // with the TRUNCATEs, which came before the rows that still count
		if t := o.tables[i]; !begun[i] {
			begun[i] = true
			for range o.in(t).truncates {
				s.truncate(t)
			}
		}
	}
	for i := range o.rows {
		r := o.rows[i]
		t := o.tables[r.table]
		in := o.in(t)
		if int32(i) < in.floor { // counted, and gone by a TRUNCATE that follows
			s.enter(t)
			continue
		}
		begin(r.table)
		keySlots := in.key.slots()
		if r.op != opDelete || in.key.whole {
			keySlots = in.shape.keys
		}
		r.first += first
		s.add(t, r, in.key, keySlots)
		s.in(t).shape = cmp.Or(in.shape, s.in(t).shape)
	}
	for i := range o.tables {
		begin(int32(i))
		s.in(o.tables[i]).moved += o.in(o.tables[i]).moved
	}
	o.reset(keep)
}

// note finds or makes the entry of the key in s.scratch for the row that is
// about to be appended.
func (s *set) note(in *inSet, o op) (int32, told) {
	h := maphash.Bytes(s.seed, s.scratch) ^ uint64(in.index)*0x9E3779B97F4A7C15
	mask := uint64(len(s.slots) - 1)
	at := h & mask
	for ; s.slots[at] != 0; at = (at + 1) & mask {
		n := s.slots[at] - 1
		e := &s.entries[n]
		if e.hash != h || e.table != in.index || !bytes.Equal(s.keys[e.from:e.to], s.scratch) {
			continue
		}
		how := toldAgain
		switch {
		case e.last < in.floor: // known from before a TRUNCATE: a new life
			e.first, e.net, how = o, 0, toldFirst
		case o == opInsert && s.rows[e.last].op != opDelete:
			how = toldLate
		}
		e.last = int32(len(s.rows))
		e.net += o.comes()
		return n, how
	}
	if 2*len(s.entries) >= len(s.slots) {
		s.grow()
		mask = uint64(len(s.slots) - 1)
		for at = h & mask; s.slots[at] != 0; at = (at + 1) & mask {
		}
	}
	from := len(s.keys)
	s.keys = append(s.keys, s.scratch...)
	s.entries = append(s.entries, entry{
		hash: h, from: uint32(from), to: uint32(len(s.keys)),
		last: int32(len(s.rows)), table: in.index, first: o, net: o.comes(),
	})
	s.slots[at] = int32(len(s.entries))
	return int32(len(s.entries) - 1), toldFirst
}

// comes is how many rows more there are after the operation.
func (o op) comes() int32 {
	switch o {
	case opInsert:
		return 1
	case opDelete:
		return -1
	}
	return 0
}

// grow doubles the hash table.
func (s *set) grow() {
	s.slots = make([]int32, 2*len(s.slots))
	mask := uint64(len(s.slots) - 1)
	for i := range s.entries {
		at := s.entries[i].hash & mask
		for s.slots[at] != 0 {
			at = (at + 1) & mask
		}
		s.slots[at] = int32(i + 1)
	}
}

// text is a value's bytes; nil for none.
func (s *set) text(v span) []byte {
	if v.n < 0 {
		return nil
	}
	return s.buf[v.off : int(v.off)+int(v.n)]
}

// value is the text of a row's slot.
func (s *set) value(r *row, slot int) (_ []byte, null bool) {
	v := s.spans[int(r.first)+slot]
	return s.text(v), v.n < 0
}

// reset empties the set and keeps its memory, but not that of a huge row.
func (s *set) reset(keep int) {
	for _, t := range s.tables {
		*s.in(t) = inSet{index: -1}
	}
	if cap(s.buf) > keep {
		s.buf = nil
	}
	if 8*cap(s.spans) > keep {
		s.spans = nil
	}
	s.buf, s.spans, s.rows = s.buf[:0], s.spans[:0], s.rows[:0]
	s.free()
	s.entries, s.keys, s.tables = s.entries[:0], s.keys[:0], s.tables[:0]
}

// free clears the slots of the entries: one by one when they are few, for a
// flush of one event must not pay for the whole table.
func (s *set) free() {
	if len(s.entries)*16 > len(s.slots) {
		clear(s.slots)
		return
	}
	mask := uint64(len(s.slots) - 1)
	for i := range s.entries {
		at := s.entries[i].hash & mask
		for s.slots[at] != int32(i+1) {
			at = (at + 1) & mask
		}
		s.slots[at] = 0
	}
}

// groups are the net changes of one table: rows by what they do and by
// whether the subscriber should have had them.
type groups struct {
	table   *table
	gone    []int32 // delete; the row was there
	never   []int32 // delete; came and went in the set, or so it was told
	fresh   []int32 // write; the row was not there
	known   []int32 // write; the row was there
	ordered []int32 // all rows, in event order
}

// net is the last state of every key, by table, in the order of the deciding
// events; rows that are there in that of their keys.
func (s *set) net() []groups {
	net := make([]groups, len(s.tables))
	for i, t := range s.tables {
		net[i].table = t
	}
	for i := range s.rows {
		r := &s.rows[i]
		g := &net[r.table]
		n := int32(i)
		in := s.in(g.table)
		if n < in.floor {
			continue
		}
		if in.ordered {
			g.ordered = append(g.ordered, n)
			continue
		}
		e := &s.entries[r.entry]
		if e.last != n {
			continue
		}
		was := e.first != opInsert
		switch {
		case in.key.whole:
			g.fresh = append(g.fresh, slices.Repeat([]int32{n}, int(max(e.net, 0)))...)
			g.gone = append(g.gone, slices.Repeat([]int32{n}, int(max(-e.net, 0)))...)
		case r.op == opDelete && was:
			g.gone = append(g.gone, n)
		case r.op == opDelete:
			g.never = append(g.never, n)
		case was:
			g.known = append(g.known, n)
		default:
			g.fresh = append(g.fresh, n)
		}
	}
	for i := range net {
		slices.SortFunc(net[i].known, s.compareKeys)
	}
	return net
}

// compareKeys orders rows by key, near enough to an index's order for the
// server to find the next row where the last one was.
func (s *set) compareKeys(a, b int32) int {
	x, y := &s.entries[s.rows[a].entry], &s.entries[s.rows[b].entry]
	return bytes.Compare(s.keys[x.from:x.to], s.keys[y.from:y.to])
}

// changes is the number of rows that the groups bring to the server.
func (g *groups) changes() int64 {
	return int64(len(g.gone) + len(g.never) + len(g.fresh) + len(g.known) + len(g.ordered))
}

// truncated lists the tables that the set empties first.
func (s *set) truncated() []*table {
	return slices.DeleteFunc(slices.Clone(s.tables), func(t *table) bool { return s.in(t).truncates == 0 })
}
