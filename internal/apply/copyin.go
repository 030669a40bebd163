package apply

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// New rows go to the server by COPY where there are many: at a third less of
// its time than the INSERT of the same rows, for it writes them to the heap by
// pages. It costs round trips of its own, because it cannot stand in a
// pipeline, and it takes no part in rules and row level security.

// copyMin is the number of rows from which on COPY is used; copySaves is what
// a row saves of the server's time, to be held against the round trips.
const (
	copyMin    = 500
	copySaves  = 1500 * time.Nanosecond
	copyRounds = 3
	timesAsked = 3
)

// copyPays tells whether rows of the table should go by COPY.
func (f *flusher) copyPays(t *table, rows int) bool {
	switch {
	case t.noCopy > 0 || t.target.Rules:
		return false
	case f.opt.always:
		return true
	}
	return rows >= copyMin && time.Duration(rows)*copySaves > copyRounds*f.roundTrip
}

// meet asks a connection once for its settings, and how far away it is.
func (f *flusher) meet(ctx context.Context, conn *pgconn.PgConn) error {
	if conn == f.met {
		return nil
	}
	var values []string
	best := time.Hour
	for range timesAsked {
		begin := time.Now()
		had, err := conn.Exec(ctx, "select pg_catalog.current_setting(n) from pg_catalog.unnest('{"+
			strings.Join(planSettings, ",")+"}'::pg_catalog.text[]) as u (n)").ReadAll()
		if err != nil {
			return fmt.Errorf("planner settings of the subscriber's session: %w", err)
		}
		best = min(best, time.Since(begin))
		values = values[:0]
		for _, row := range had[0].Rows {
			values = append(values, string(row[0]))
		}
	}
	f.met, f.roundTrip, f.unpin = conn, best, settingsStmt(values)
	return nil
}

// copyIn runs a step that is a COPY.
func (f *flusher) copyIn(ctx context.Context, s *step) *failure {
	r := &copyReader{set: f.set, rows: s.rows, slots: s.slots}
	tag, err := f.conn.CopyFrom(ctx, r, s.sql)
	r.stop()
	if err != nil {
		return &failure{s, err}
	}
	s.found = tag.RowsAffected()
	return nil
}

// copyReader gives rows in COPY's text format. The driver may go on reading
// after an error has come back from it, when the set is another's already.
type copyReader struct {
	mu    sync.Mutex // held while the set is read
	set   *set
	rows  []int32
	slots []int
	row   []byte // what is left of a row that did not fit
	buf   []byte
}

// Read implements [io.Reader].
func (c *copyReader) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(p)
}

// stop makes sure that the set is not read any more.
func (c *copyReader) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = nil
}

func (c *copyReader) read(p []byte) (int, error) {
	if len(c.row) > 0 {
		n := copy(p, c.row)
		c.row = c.row[n:]
		return n, nil
	}
	out := p[:0]
	for len(c.rows) > 0 {
		r := &c.set.rows[c.rows[0]]
		if cap(out)-len(out) < c.most(r) {
			break
		}
		out = c.append(out, r)
		c.rows = c.rows[1:]
	}
	switch {
	case len(out) > 0:
		return len(out), nil
	case len(c.rows) == 0:
		return 0, io.EOF
	}
	c.buf = c.append(c.buf[:0], &c.set.rows[c.rows[0]])
	c.row, c.rows = c.buf, c.rows[1:]
	return c.read(p)
}

// most is the length that a row can have with all its bytes escaped.
func (c *copyReader) most(r *row) int {
	n := 0
	for _, slot := range c.slots {
		n += 1 + 2*max(1, int(c.set.spans[int(r.first)+slot].n))
	}
	return n
}

// append adds a row: values with tabs between them and a newline at its end.
func (c *copyReader) append(dst []byte, r *row) []byte {
	for i, slot := range c.slots {
		if i > 0 {
			dst = append(dst, '\t')
		}
		text, null := c.set.value(r, slot)
		if null {
			dst = append(dst, `\N`...)
			continue
		}
		dst = appendCopyText(dst, text)
	}
	return append(dst, '\n')
}

// appendCopyText adds a value with what COPY would misread escaped.
func appendCopyText(dst, text []byte) []byte {
	from := 0
	for i, b := range text {
		e := copyEscape[b]
		if e == 0 {
			continue
		}
		dst = append(append(dst, text[from:i]...), '\\', e)
		from = i + 1
	}
	return append(dst, text[from:]...)
}

var copyEscape = [256]byte{'\\': '\\', '\t': 't', '\n': 'n', '\r': 'r'}
