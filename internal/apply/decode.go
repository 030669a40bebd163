package apply

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/skytools-go/skytools/internal/hint"
)

// span is a value in the set's buffer.
type span struct {
	off uint32
	n   int32
}

// isNull is the length of SQL NULL.
const isNull = -1

// field is one member of an event's row as the event before had it: the bytes
// that stand before the value, and the slot that the value goes to (-1: none).
type field struct {
	token []byte
	slot  int
}

// plan predicts an event of a stream from the one before. A row that fits it
// is read by comparing bytes; another one is learnt anew.
type plan struct {
	fields []field
	slots  int    // values a row has
	key    []int  // slots of the key's columns, in the key's order
	shape  *shape // nil for deletes, which keep their key only
}

// errReplan tells that an event does not look like the one before.
var errReplan = errors.New("row differs from the plan")

// readJSON reads the object in b, which lies at base in the set's buffer, into
// vals. It unescapes in place.
func (p *plan) readJSON(b []byte, base int, vals []span) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errJSON
	}
	i = skipSpace(b, i+1)
	for f := range p.fields {
		field := &p.fields[f]
		if !bytes.HasPrefix(b[i:], field.token) {
			return errReplan
		}
		from, to, next, null, err := scanValue(b, skipSpace(b, i+len(field.token)))
		if err != nil {
			return err
		}
		if field.slot >= 0 {
			v := span{uint32(base + from), int32(to - from)}
			if null {
				v.n = isNull
			}
			vals[field.slot] = v
		}
		i = skipSpace(b, next)
		if f == len(p.fields)-1 {
			break
		}
		if i >= len(b) || b[i] != ',' {
			return errReplan
		}
		i = skipSpace(b, i+1)
	}
	switch {
	case i >= len(b):
		return errJSON
	case b[i] != '}':
		return errReplan
	case skipSpace(b, i+1) != len(b):
		return errJSON
	}
	return nil
}

// learnJSON lists the names and tokens of an object. It changes scratch, a
// copy of b; unescaping in place moves nothing that lies behind.
func learnJSON(b, scratch []byte) (names []string, tokens [][]byte, err error) {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return nil, nil, errJSON
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return nil, nil, nil
	}
	for {
		name, value, err := memberName(scratch, i)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, string(name))
		tokens = append(tokens, bytes.Clone(b[i:value]))
		_, _, next, _, err := scanValue(scratch, value)
		if err != nil {
			return nil, nil, err
		}
		i = skipSpace(b, next)
		if i >= len(b) || b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	if i >= len(b) || b[i] != '}' {
		return nil, nil, errJSON
	}
	return names, tokens, nil
}

// readURL reads a=1&b=x+y&c (c is NULL) as readJSON does.
func (p *plan) readURL(b []byte, base int, vals []span) error {
	i := 0
	for f := range p.fields {
		field := &p.fields[f]
		if f > 0 {
			if i >= len(b) {
				return errReplan
			}
			i++ // the & that ended the member before
		}
		if !bytes.HasPrefix(b[i:], field.token) {
			return errReplan
		}
		i += len(field.token)
		v := span{n: isNull}
		switch {
		case i >= len(b) || b[i] == '&':
		case b[i] == '=':
			to, next, err := unescapeURL(b, i+1)
			if err != nil {
				return err
			}
			v = span{uint32(base + i + 1), int32(to - i - 1)}
			i = next
		default:
			return errReplan
		}
		if field.slot >= 0 {
			vals[field.slot] = v
		}
	}
	if i < len(b) {
		return errReplan
	}
	return nil
}

var errURL = errors.New("malformed url-encoded row")

// unescapeURL decodes the text from b[r] to the next & in place.
func unescapeURL(b []byte, r int) (to, next int, err error) {
	w := r
	for r < len(b) && b[r] != '&' {
		c := b[r]
		r++
		switch c {
		case '+':
			c = ' '
		case '%':
			if r+2 > len(b) {
				return 0, 0, errURL
			}
			hi, ok1 := hexDigit(b[r])
			lo, ok2 := hexDigit(b[r+1])
			if !ok1 || !ok2 {
				return 0, 0, errURL
			}
			if c = hi<<4 | lo; c == 0 {
				return 0, 0, errZero
			}
			r += 2
		}
		b[w] = c
		w++
	}
	return w, r, nil
}

// learnURL lists the names and tokens of a url-encoded row.
func learnURL(b []byte) (names []string, tokens [][]byte, err error) {
	if len(b) == 0 {
		return nil, nil, nil
	}
	for member := range bytes.SplitSeq(b, []byte{'&'}) {
		token, _, _ := bytes.Cut(member, []byte{'='})
		name := bytes.Clone(token)
		to, next, err := unescapeURL(name, 0)
		if err != nil || next != len(name) {
			return nil, nil, errURL
		}
		names = append(names, string(name[:to]))
		tokens = append(tokens, bytes.Clone(token))
	}
	return names, tokens, nil
}

// shape is a set of columns that rows of a table come with, with the key they
// are told apart by. Rows of one flush and table have one shape.
type shape struct {
	target *Target
	key    *Key
	cols   []int // target column of each slot; ascending
	insert []int // slots that are written (not those generated here)
	keys   []int // slots of the key's columns, in the key's order
	stmts  statements
}

// newPlan makes the plan for rows with these members.
func (t *table) newPlan(o op, key *Key, names []string, tokens [][]byte) (*plan, error) {
	p := &plan{fields: make([]field, len(names))}
	cols := make([]int, len(names)) // target column of each member, -1 none
	var used []int
	for i, name := range names {
		p.fields[i] = field{tokens[i], -1}
		c, known := t.target.byName[name]
		switch {
		case known:
			cols[i] = c
			used = append(used, c)
		case o == opDelete && !key.whole:
			cols[i] = -1 // a row can be deleted without it
		default:
			return nil, unknownColumn(t.target, name)
		}
	}
	for _, c := range key.Columns {
		if !slices.Contains(used, c) {
			return nil, fmt.Errorf("event does not tell key column %q", t.target.Columns[c].Name)
		}
	}
	var slots []int
	if o == opDelete && !key.whole {
		slots = key.Columns
		p.key = make([]int, len(slots))
		for i := range slots {
			p.key[i] = i
		}
	} else {
		p.shape = t.shapeOf(key, used)
		slots, p.key = p.shape.cols, p.shape.keys
	}
	p.slots = len(slots)
	for i, c := range cols {
		p.fields[i].slot = slices.Index(slots, c)
	}
	return p, nil
}

func unknownColumn(t *Target, name string) error {
	err := fmt.Errorf("column %q of the event does not exist in table %s at the subscriber", name, t.Name)
	return hint.With(err, "add the column to %s at the subscriber, then the events are applied again", t.Name)
}

// shapeOf gives the one shape of these columns, leaving out those that are
// generated here and no part of the key.
func (t *table) shapeOf(key *Key, used []int) *shape {
	slices.Sort(used)
	used = slices.Compact(used)
	used = slices.DeleteFunc(used, func(c int) bool {
		return t.target.Columns[c].Generated && !slices.Contains(key.Columns, c)
	})
	for _, s := range t.shapes {
		if s.key == key && slices.Equal(s.cols, used) {
			return s
		}
	}
	s := &shape{target: t.target, key: key, cols: used}
	for slot, c := range used {
		if !t.target.Columns[c].Generated {
			s.insert = append(s.insert, slot)
		}
	}
	for _, c := range key.Columns {
		s.keys = append(s.keys, slices.Index(used, c))
	}
	if key.whole {
		s.keys = s.all()
	}
	t.shapes = append(t.shapes, s)
	return s
}
