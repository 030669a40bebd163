package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// pipelined is how much is given to the driver before it must send: it keeps
// what it has not sent.
const pipelined = 1 << 20

// keepStatements is how many prepared statements may stay on a connection
// that has used many more tables.
const keepStatements = 512

// exec sends the steps in one pipeline and reads their answers. The first
// that fails ends it; the server skips the rest.
func (a *Applier) exec(ctx context.Context, steps []*step) *failure {
	p := a.conn.StartPipeline(ctx)
	var prepared []bool // of each step: a Parse goes before it and is not answered yet
	pending := 0
	for _, s := range steps {
		fresh := s.stmt != nil && s.stmt.on != a.conn
		prepared = append(prepared, fresh)
		if fresh {
			oids := slices.Repeat([]uint32{oidTextArray}, s.stmt.params)
			p.SendPrepare(s.stmt.name, s.stmt.sql, oids)
			s.stmt.on = a.conn // undone below if it fails
		}
		n := a.send(p, s)
		if pending += n; pending < pipelined {
			continue
		}
		pending = 0
		if err := p.Flush(); err != nil {
			return a.closed(p, steps, prepared, 0, err)
		}
	}
	if err := p.Sync(); err != nil {
		return a.closed(p, steps, prepared, 0, err)
	}
	for i, s := range steps {
		if err := a.answer(p, s, &prepared[i]); err != nil {
			return a.closed(p, steps, prepared, i, err)
		}
	}
	if err := p.Close(); err != nil {
		return &failure{steps[len(steps)-1], err}
	}
	return nil
}

// closed ends a pipeline that failed at step i.
func (a *Applier) closed(p *pgconn.Pipeline, steps []*step, prepared []bool, i int, err error) *failure {
	_ = p.Close() // reports the same error again
	for j, s := range steps {
		if j < len(prepared) && prepared[j] {
			s.stmt.on = nil // the server skipped it
		}
	}
	return &failure{steps[i], err}
}

// send gives a step to the pipeline; n is the bytes of its parameters.
func (a *Applier) send(p *pgconn.Pipeline, s *step) (n int) {
	if s.stmt == nil {
		p.SendQueryParams(s.sql, nil, nil, nil, nil)
		return 0
	}
	s.stmt.used = a.number
	if !s.stmt.listed {
		s.stmt.listed = true
		a.stmts = append(a.stmts, s.stmt)
	}
	size := 0
	for _, slot := range s.slots {
		size += a.set.textArraySize(s.rows, slot)
	}
	if cap(a.enc) < size {
		a.enc = make([]byte, 0, size)
	}
	a.enc = a.enc[:0]
	params := make([][]byte, len(s.slots))
	for i, slot := range s.slots {
		from := len(a.enc)
		a.enc = a.set.appendTextArray(a.enc, s.rows, slot)
		params[i] = a.enc[from:]
	}
	p.SendQueryPrepared(s.stmt.name, params, binaryFormat, textFormat)
	if cap(a.enc) > 2*a.opt.MaxBytes {
		a.enc = nil
	}
	return size
}

var (
	binaryFormat = []int16{1}
	textFormat   = []int16{0}
)

// answer reads what the server says to a step.
func (a *Applier) answer(p *pgconn.Pipeline, s *step, preparing *bool) error {
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
	r := rr.Read()
	if r.Err != nil {
		return r.Err
	}
	s.found = r.CommandTag.RowsAffected()
	if len(r.Rows) == 1 { // a counting statement
		if s.found, err = strconv.ParseInt(string(r.Rows[0][0]), 10, 64); err != nil {
			return fmt.Errorf("count of rows: %w", err)
		}
	}
	return nil
}

// forgetStatements drops statements from the connection when there are very
// many: each costs the server tens of kilobytes.
func (a *Applier) forgetStatements(ctx context.Context) error {
	a.stmts = slices.DeleteFunc(a.stmts, func(st *stmt) bool {
		st.listed = st.on == a.conn
		return !st.listed
	})
	if len(a.stmts) <= keepStatements {
		return nil
	}
	slices.SortFunc(a.stmts, func(x, y *stmt) int { return int(y.used - x.used) })
	old := a.stmts[keepStatements/2:]
	p := a.conn.StartPipeline(ctx)
	for _, st := range old {
		p.SendDeallocate(st.name)
		st.on, st.listed = nil, false
	}
	err := errors.Join(p.Sync(), p.Close())
	a.stmts = a.stmts[:keepStatements/2]
	if err != nil {
		return fmt.Errorf("deallocate statements: %w", err)
	}
	return nil
}
