package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/skytools-go/skytools/internal/ident"
)

// Options of an applier; the zero value is the default.
type Options struct {
	MaxRows  int // events of a flush; 0 is 10,000
	MaxBytes int // bytes of a flush, of which two are held, passed by one event at most; 0 is 4 MiB

	// CatchUp is for a table whose copy is newer than the events that
	// follow: rows are not expected to be there or not, and nothing is
	// counted as diverged.
	CatchUp bool

	always bool // COPY and UPDATE are used however few the rows are: for tests

	// StopOnConflict makes a row found otherwise than told an [*Error] that
	// wraps [ErrConflict] and names the key.
	StopOnConflict bool
}

// Applier applies events to one subscriber database. It keeps decoding plans
// and prepared statements between transactions. Not for concurrent use.
type Applier struct {
	tables Tables
	opt    Options

	kinds  map[string]*stream
	byName map[ident.Name]*table
	enc    []byte // scratch

	number  int64    // of the transaction
	touched []*table // that had events in it
	set     *set     // being filled
	spare   *set     // nil while it is flushed
	flight  *flight  // the flush under way
	grace   int      // the set may be that many times its limits
	flusher flusher
}

// table is what the applier knows of a table.
type table struct {
	name   ident.Name
	action Action
	target *Target
	asked  int64 // transaction in which Tables was asked
	counts Counts
	moves  moves
	shapes []*shape
	in     [2]inSet // in the applier's two sets

	// The flusher's alone:
	slack    int64 // rows that may be missing, see moves
	left     int64 // of slack, in the attempt under way
	deletes  map[*Key]*stmt
	upserts  int // flushes to go in which inserts are upserts, after a duplicate
	noCopy   int // flushes to go in which inserts are no COPY, after it was refused
	noUpdate int // flushes to go in which rows told to be there are upserted, after one was not
}

// stream is all events of one type: one table, operation and key.
type stream struct {
	kind   kind
	err    error // the type cannot be read
	table  *table
	target *Target // that key and plan were made for
	key    *Key
	plan   *plan
}

// maxStreams bounds what odd event types can make an applier remember.
const maxStreams = 200_000

// New makes an applier.
func New(tables Tables, opt Options) *Applier {
	if opt.MaxRows <= 0 {
		opt.MaxRows = 10_000
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 4 << 20
	}
	return &Applier{
		tables: tables, opt: opt,
		kinds: map[string]*stream{}, byName: map[ident.Name]*table{},
		set: newSet(opt.MaxRows, 0), spare: newSet(opt.MaxRows, 1), grace: 1,
		flusher: flusher{opt: opt, pin: settingsStmt([]string{"off", "off", "off", "force_generic_plan"})},
	}
}

var errShared = errors.New("the provider emptied the table, which is filled from another queue as well: its rows would go with it")

// Transaction applies the events that feed gives to [Applier.Event], within a
// subscriber transaction that the caller has begun and will commit or roll
// back. It checks all deferred constraints and tells what was done; the caller
// then writes its position. While feed runs the transaction's connection is
// the applier's.
func (a *Applier) Transaction(ctx context.Context, tx pgx.Tx, feed func() error) (Result, error) {
	if err := a.begin(ctx, tx); err != nil {
		return Result{}, err
	}
	err := feed()
	landed := a.land(ctx) // in any case: the caller's rollback needs the connection
	if err == nil {
		err = landed
	}
	if err == nil {
		_, err = a.flusher.flush(ctx, a.set, atEnd)
	}
	if err != nil {
		return Result{}, err
	}
	return a.result(), nil
}

// begin forgets what an earlier transaction left undone.
func (a *Applier) begin(ctx context.Context, tx pgx.Tx) error {
	a.set.reset(2 * a.opt.MaxBytes)
	a.spare.reset(2 * a.opt.MaxBytes)
	for _, t := range a.touched {
		t.counts = Counts{}
	}
	a.touched = a.touched[:0]
	a.number++
	a.grace = 1
	return a.flusher.begin(ctx, tx, a.number)
}

// Event takes the next event, in the order of the queue. When enough have come
// they are flushed while those that follow are taken. It returns [ErrUnhandled]
// for an event that is no row change, else an [*Error]; after that the
// transaction can only be rolled back.
func (a *Applier) Event(ctx context.Context, ev Event) error {
	st, err := a.stream(ev)
	if err != nil {
		return err
	}
	t := st.table
	switch t.action {
	case Filter:
		t.counts.Events++
		t.counts.Filtered++
		return nil
	case Skip:
		t.counts.Events++
		t.counts.Skipped++
		return nil
	}
	if t.target == nil {
		return &Error{Table: t.name, Event: ev.ID, Err: errors.New("table is not described")}
	}
	if st.kind.op == opTruncate {
		// Never flushed apart from the one before it: foreign keys may
		// refuse the tables singly.
		if t.target.Shared {
			return &Error{Table: t.name, Event: ev.ID, Err: errShared}
		}
		t.counts.Events++
		a.set.truncate(t)
		return nil
	}
	if a.full() {
		if err := a.turn(ctx); err != nil {
			return err
		}
	}
	if st.target != t.target {
		if st.key, err = t.target.keyFor(&st.kind); err != nil {
			return &Error{Table: t.name, Event: ev.ID, Err: err}
		}
		st.target, st.plan = t.target, nil
	}
	if err := a.row(ctx, st, ev); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return e
		}
		return &Error{Table: t.name, Event: ev.ID, Key: a.keyOf(st, ev.Data), Err: err}
	}
	t.counts.Events++
	return nil
}

// Pass counts an event as skipped and does nothing else with it.
func (a *Applier) Pass(ev Event) error {
	st, err := a.stream(ev)
	if err != nil {
		return err
	}
	st.table.counts.Events++
	st.table.counts.Skipped++
	return nil
}

// stream finds the stream of an event and the action for its table.
func (a *Applier) stream(ev Event) (*stream, error) {
	st := a.kinds[string(ev.Type)]
	if st != nil && st.table == nil && st.err == nil { // the table stands in extra1
		a.enc = append(append(append(a.enc[:0], ev.Type...), 0), ev.Extra1...)
		st = a.kinds[string(a.enc)]
	}
	if st == nil {
		st = a.learn(ev)
	}
	switch {
	case st.err == ErrUnhandled:
		return nil, ErrUnhandled
	case st.err != nil:
		return nil, &Error{Event: ev.ID, Err: st.err}
	}
	a.ask(st.table)
	return st, nil
}

// learn makes the stream of an event type seen for the first time.
func (a *Applier) learn(ev Event) *stream {
	if len(a.kinds) >= maxStreams {
		clear(a.kinds)
	}
	k, err := parseKind(ev.Type)
	st := &stream{kind: k, err: err}
	if err != nil || k.format == formatJSON {
		if err == nil {
			st.table = a.table(k.table)
		}
		a.kinds[string(ev.Type)] = st
		return st
	}
	a.kinds[string(ev.Type)] = &stream{} // look at extra1
	st.table, st.err = a.tableOf(string(ev.Extra1))
	if st.err != nil || st.table.action != Filter { // another meaning may be registered later
		a.kinds[string(ev.Type)+"\x00"+string(ev.Extra1)] = st
	}
	return st
}

// tableOf finds the table of an unquoted schema.table: where dots make that
// ambiguous, the one that is registered.
func (a *Applier) tableOf(extra1 string) (*table, error) {
	names := splits(extra1)
	if len(names) == 0 {
		return nil, fmt.Errorf("ev_extra1 %q names no table", extra1)
	}
	for _, name := range names {
		if t := a.table(name); a.ask(t) != Filter {
			return t, nil
		}
	}
	return a.table(names[0]), nil
}

func (a *Applier) table(name ident.Name) *table {
	t := a.byName[name]
	if t == nil {
		t = &table{name: name, in: [2]inSet{{index: -1}, {index: -1}}}
		a.byName[name] = t
	}
	return t
}

// ask asks once a transaction what to do with the table.
func (a *Applier) ask(t *table) Action {
	if t.asked == a.number {
		return t.action
	}
	t.asked, t.moves, t.slack = a.number, moves{}, 0
	a.touched = append(a.touched, t)
	target, action := a.tables.Lookup(t.name)
	t.action = action
	if target != t.target {
		t.target, t.shapes, t.deletes = target, nil, map[*Key]*stmt{}
	}
	return action
}

// row decodes a row change into the set.
func (a *Applier) row(ctx context.Context, st *stream, ev Event) error {
	fits := func() bool {
		s := a.set
		in := s.in(st.table)
		return in.index < 0 || in.key == nil ||
			in.key == st.key && (st.plan.shape == nil || in.shape == nil || in.shape == st.plan.shape)
	}
	err := errReplan
	if st.plan != nil && fits() {
		err = a.decode(st, ev.Data)
	}
	if err == errReplan {
		if st.plan, err = a.replan(st, ev.Data); err != nil {
			return err
		}
		if !fits() { // one flush has rows of one shape only
			if err := a.flush(ctx); err != nil {
				return err
			}
		}
		err = a.decode(st, ev.Data)
		if err == errReplan {
			err = errJSON
		}
	}
	if err != nil {
		return err
	}
	s, p := a.set, st.plan
	for i, slot := range p.key {
		if !st.key.whole && s.spans[len(s.spans)-p.slots+slot].n < 0 {
			return fmt.Errorf("key column %q is NULL", st.target.Columns[st.key.Columns[i]].Name)
		}
	}
	r := row{event: ev.ID, first: uint32(len(s.spans) - p.slots), op: st.kind.op}
	told := s.add(st.table, r, st.key, p.key)
	in := s.in(st.table)
	if st.table.moves.note(st.kind.op, told, ev.Tx) {
		in.moved++
	}
	if p.shape != nil {
		in.shape = p.shape
	}
	return nil
}

// decode copies the event's data into the set and reads it there by the
// stream's plan. After an error nothing of it is left in the set.
func (a *Applier) decode(st *stream, data []byte) error {
	s, p := a.set, st.plan
	from, first := len(s.buf), len(s.spans)
	s.room(len(data))
	s.buf = append(s.buf, data...)
	for range p.slots {
		s.spans = append(s.spans, span{n: isNull})
	}
	var err error
	if st.kind.format == formatURL {
		err = p.readURL(s.buf[from:], from, s.spans[first:])
	} else {
		err = p.readJSON(s.buf[from:], from, s.spans[first:])
	}
	if err != nil {
		s.buf, s.spans = s.buf[:from], s.spans[:first]
	}
	return err
}

// replan learns how the events of a stream look from this one.
func (a *Applier) replan(st *stream, data []byte) (*plan, error) {
	var names []string
	var tokens [][]byte
	var err error
	if st.kind.format == formatURL {
		names, tokens, err = learnURL(data)
	} else {
		a.enc = append(a.enc[:0], data...)
		names, tokens, err = learnJSON(data, a.enc)
	}
	if err != nil {
		return nil, err
	}
	return st.table.newPlan(st.kind.op, st.key, names, tokens)
}

// keyOf shows the key of an event that cannot be taken into the set, "" where
// not even that can be read.
func (a *Applier) keyOf(st *stream, data []byte) string {
	if st.key.whole {
		return ""
	}
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

// result tells what the transaction did.
func (a *Applier) result() Result {
	r := Result{Tables: make(map[ident.Name]Counts, len(a.touched)), Flushes: a.flusher.flushes}
	for _, t := range a.touched {
		if t.counts.Events > 0 {
			r.Tables[t.name] = t.counts
			r.Total.Add(t.counts)
		}
	}
	return r
}
