package apply

import "errors"

// told is how an event stands to those of its key before it in the set.
type told byte

const (
	toldAgain told = iota
	toldFirst
	toldLate // an INSERT although the key was told to be there
)

// moves knows which rows may be missing although an UPDATE tells them.
//
// A row whose key is changed is told as the DELETE of the old key and an
// UPDATE of the new one: a row under the new key is not there before it. And
// where a trigger at the provider changes a row again while it is inserted,
// its UPDATE comes before its INSERT. Either lets one row of the table be
// missing without anybody having changed it here.
type moves struct {
	deletes [16]struct { // by transaction, those latest
		tx int64
		n  int32
	}
}

// note takes an event of the table and tells whether it lets a row be missing.
func (m *moves) note(o op, how told, tx int64) bool {
	d := &m.deletes[uint64(tx)%uint64(len(m.deletes))]
	switch {
	case o == opDelete:
		if d.tx != tx {
			d.tx, d.n = tx, 0
		}
		d.n++
	case o == opUpdate && how == toldFirst && d.tx == tx && d.n > 0:
		d.n--
		return true
	case how == toldLate:
		return true
	}
	return false
}

// errMissed: an update did not find all of its rows.
var errMissed = errors.New("row not found")

// missed returns the first update that did not find all of its rows.
func missed(steps []*step) *failure {
	for _, s := range steps {
		if s.exact && s.found < int64(len(s.rows)) {
			return &failure{s, errMissed}
		}
	}
	return nil
}

// judge finds how many rows each step that is done found otherwise than told,
// and returns the first that did.
func judge(steps []*step) (first *step) {
	for _, s := range steps {
		if s.want < 0 {
			continue
		}
		s.off = max(s.want-s.found, s.found-s.want)
		if s.misses {
			forgiven := min(s.off, s.table.left)
			s.table.left -= forgiven
			s.off -= forgiven
		}
		if first == nil && s.off > 0 {
			first = s
		}
	}
	return first
}
