package apply

import "time"

// Rows that are there go to the server by UPDATE where there are many: it
// neither locks them first nor tells of each one whether it was there, which
// saves a tenth of the upsert's time. A row that is missing is found out by
// the count; then the flush is undone and its rows are upserted.

// updateMin is the number of rows from which on UPDATE is used; updateSaves is
// what a row saves of the server's time, to be held against the round trips:
// the savepoint waits for the answer, and the session's role is asked for.
const (
	updateMin    = 500
	updateSaves  = 600 * time.Nanosecond
	updateRounds = 2
)

// updatePays tells whether the rows told to be there should go by UPDATE. Of
// rows that came from another key, one is known to be missing.
func (f *flusher) updatePays(g *groups) bool {
	t, in := g.table, f.set.in(g.table)
	switch {
	case len(g.known) == 0, f.opt.CatchUp, t.noUpdate > 0, t.target.Rules, in.moved > 0,
		in.shape == nil, in.shape.merges(), in.shape.updateStmt() == nil:
		return false
	}
	rows := len(g.known)
	return f.opt.always || rows >= updateMin && time.Duration(rows)*updateSaves > updateRounds*f.roundTrip
}
