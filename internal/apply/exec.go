package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// pipelined is how much is given to the driver before it must send: it keeps
// what it has not sent.
const pipelined = 1 << 20

// keepStatements is how many prepared statements may stay on a connection
// that has used many more tables.
const keepStatements = 512

// exec runs the steps, in as few pipelines as their COPYs allow. The first
// that fails ends it.
func (f *flusher) exec(ctx context.Context, steps []*step) *failure {
	for len(steps) > 0 {
		n := slices.IndexFunc(steps, func(s *step) bool { return s.copies })
		var fail *failure
		switch n {
		case 0:
			n, fail = 1, f.copyIn(ctx, steps[0])
		case -1:
			n = len(steps)
			fallthrough
		default:
			fail = f.pipeline(ctx, steps[:n])
		}
		if fail != nil {
			return fail
		}
		steps = steps[n:]
	}
	return nil
}

// pipeline sends the steps together and reads their answers. After the first
// that fails the server skips the rest.
func (f *flusher) pipeline(ctx context.Context, steps []*step) *failure {
	p := f.conn.StartPipeline(ctx)
	var prepared []bool // of each step: a Parse goes before it and is not answered yet
	pending := 0
	for _, s := range steps {
		fresh := s.stmt != nil && s.stmt.on != f.conn
		prepared = append(prepared, fresh)
		if fresh {
			oids := slices.Repeat([]uint32{oidTextArray}, s.stmt.params)
			p.SendPrepare(s.stmt.name, s.stmt.sql, oids)
			s.stmt.on = f.conn // undone below if it fails
		}
		size := f.set.size(s)
		if pending += size; pending > pipelined && size < pending {
			if err := p.Flush(); err != nil {
				return f.closed(p, steps, prepared, 0, err)
			}
			pending = size
		}
		f.send(p, s, size)
	}
	if err := p.Sync(); err != nil {
		return f.closed(p, steps, prepared, 0, err)
	}
	for i, s := range steps {
		if err := f.answer(p, s, &prepared[i]); err != nil {
			return f.closed(p, steps, prepared, i, err)
		}
	}
	if err := p.Close(); err != nil {
		return &failure{steps[len(steps)-1], err}
	}
	return nil
}

// closed ends a pipeline that failed at step i.
func (f *flusher) closed(p *pgconn.Pipeline, steps []*step, prepared []bool, i int, err error) *failure {
	_ = p.Close() // reports the same error again
	for j, s := range steps {
		if j < len(prepared) && prepared[j] {
			s.stmt.on = nil // the server skipped it
		}
	}
	return &failure{steps[i], err}
}

// size is the length of a step's parameters.
func (s *set) size(st *step) int {
	size := 0
	for _, slot := range st.slots {
		size += s.textArraySize(st.rows, slot)
	}
	return size
}

// reserve is a message of no bytes that gives the driver the applier's own
// buffer for the n bytes that follow: the driver drops its buffer after every
// write, and growing a new one costs more than all the decoding. Once written
// out, the bytes are the applier's again.
type reserve struct {
	f *flusher
	n int
}

// Frontend marks a message of the client's side.
func (reserve) Frontend() {}

// Decode is never called: the message does not exist on the wire.
func (reserve) Decode([]byte) error { return nil }

// Encode implements pgproto3.FrontendMessage.
func (r reserve) Encode(dst []byte) ([]byte, error) {
	need := len(dst) + r.n
	if cap(dst) >= need || r.n < 1<<16 {
		return dst, nil
	}
	if cap(r.f.wire) < need {
		r.f.wire = make([]byte, 0, max(need, pipelined+1<<16))
	}
	return append(r.f.wire[:0], dst...), nil
}

// send gives a step, whose parameters are of that size, to the pipeline.
func (f *flusher) send(p *pgconn.Pipeline, s *step, size int) {
	if s.stmt == nil {
		p.SendQueryParams(s.sql, nil, nil, nil, nil)
		return
	}
	s.stmt.used = f.number
	if !s.stmt.listed {
		s.stmt.listed = true
		f.stmts = append(f.stmts, s.stmt)
	}
	if cap(f.enc) < size {
		f.enc = make([]byte, 0, size)
	}
	f.enc = f.enc[:0]
	params := make([][]byte, len(s.slots))
	for i, slot := range s.slots {
		from := len(f.enc)
		f.enc = f.set.appendTextArray(f.enc, s.rows, slot)
		params[i] = f.enc[from:]
	}
	const frame = 256 // heads of Bind, Describe and Execute; the parameters' lengths
	f.conn.Frontend().Send(reserve{f, size + frame + 4*len(params)})
	p.SendQueryPrepared(s.stmt.name, params, binaryFormat, textFormat)
	if cap(f.enc) > 2*f.opt.MaxBytes {
		f.enc, f.wire = nil, nil
	}
}

var (
	binaryFormat = []int16{1}
	textFormat   = []int16{0}
)

// answer reads what the server says to a step.
func (f *flusher) answer(p *pgconn.Pipeline, s *step, preparing *bool) error {
	if *preparing {
		if _, err := p.GetResults(); err != nil {
			return err
		}
		*preparing = false
	}
	res, err := p.GetResults()
	if err != nil {
		return err
	}
	rr, ok := res.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("pipeline answered %T", res)
	}
	fresh, counted := int64(0), false
	for rr.NextRow() { // of a counted upsert
		counted = true
		if v := rr.Values()[0]; len(v) == 1 && v[0] == 't' {
			fresh++
		}
	}
	tag, err := rr.Close()
	if err != nil {
		return err
	}
	s.found = tag.RowsAffected()
	if counted {
		s.found = fresh
	}
	return nil
}

// forgetStatements drops statements from the connection when there are very
// many: each costs the server tens of kilobytes.
func (f *flusher) forgetStatements(ctx context.Context) error {
	f.stmts = slices.DeleteFunc(f.stmts, func(st *stmt) bool {
		st.listed = st.on == f.conn
		return !st.listed
	})
	if len(f.stmts) <= keepStatements {
		return nil
	}
	slices.SortFunc(f.stmts, func(x, y *stmt) int { return int(y.used - x.used) })
	old := f.stmts[keepStatements/2:]
	p := f.conn.StartPipeline(ctx)
	for _, st := range old {
		p.SendDeallocate(st.name)
		st.on, st.listed = nil, false
	}
	err := errors.Join(p.Sync(), p.Close())
	f.stmts = f.stmts[:keepStatements/2]
	if err != nil {
		return fmt.Errorf("deallocate statements: %w", err)
	}
	return nil
}
