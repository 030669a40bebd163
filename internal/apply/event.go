package apply

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/ident"
)

// Event is one captured event. The slices may be reused by the caller as soon
// as [Applier.Event] returns.
type Event struct {
	ID     int64
	Tx     int64  // ev_txid
	Type   []byte // ev_type
	Data   []byte // ev_data
	Extra1 []byte // ev_extra1, read only when Type does not name the table
}

// Of tells whether the event is a change of a row of a table.
func (ev Event) Of(table ident.Name) bool {
	k, err := parseKind(ev.Type)
	if err != nil {
		return false
	}
	return k.format == formatJSON && k.table == table || k.format != formatJSON && slices.Contains(splits(string(ev.Extra1)), table)
}

// Whole tells whether the event is a change in a table without a key: to do it
// twice is not the same as once.
func (ev Event) Whole() bool {
	k, err := parseKind(ev.Type)
	return err == nil && k.whole
}

// Action is what happens to the events of a table.
type Action int

// The actions.
const (
	Filter Action = iota // not replicated here: counted and dropped
	Skip                 // being copied: its own consumer applies them
	Apply
)

// Tables tells the applier what to do with a table. Lookup is asked once per
// table and transaction; with Apply it gives the table's description, loaded
// by [LoadTarget], or nil, which makes an event of the table an error. It must
// not use the connection of the transaction.
type Tables interface {
	Lookup(name ident.Name) (*Target, Action)
}

// Counts are the events of one table in one transaction.
// Events = Applied + Coalesced + Filtered + Skipped.
type Counts struct {
	Events    int64
	Applied   int64 // brought to the server
	Coalesced int64 // overtaken by a later event of the same key
	Filtered  int64
	Skipped   int64
	BySets    int64 // of Applied, those done by set statements
	Fallbacks int64 // flushes redone row by row because of this table
	Diverged  int64 // rows found otherwise than the provider's events told
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.Events += d.Events
	c.Applied += d.Applied
	c.Coalesced += d.Coalesced
	c.Filtered += d.Filtered
	c.Skipped += d.Skipped
	c.BySets += d.BySets
	c.Fallbacks += d.Fallbacks
	c.Diverged += d.Diverged
}

// Result tells what one transaction did.
type Result struct {
	Tables  map[ident.Name]Counts // tables that had events
	Total   Counts
	Flushes int64
}

// ErrUnhandled is returned by [Applier.Event] for an event that is not a row
// change (pgq.*, londiste.*, EXECUTE, a producer's own types). Nothing was
// done and nothing counted: the event is the caller's.
var ErrUnhandled = errors.New("not a row change")

// ErrConflict is wrapped by the [*Error] of a row that was found otherwise
// than its event told, when [Options].StopOnConflict is set.
var ErrConflict = errors.New("row at the subscriber differs from what the provider's event expects")

// Error is an event that cannot be applied. The transaction is lost.
type Error struct {
	Table     ident.Name // zero when the event does not tell
	Event     int64      // event id; 0 when a whole flush failed
	Key       string     // (id)=(5), or "" when unknown
	Statement string     // SQL that the server refused, or ""
	Err       error
}

func (e *Error) Error() string {
	s := "apply"
	if e.Event != 0 {
		s += fmt.Sprintf(" event %d", e.Event)
	}
	if e.Table != (ident.Name{}) {
		s += " to table " + e.Table.String()
	}
	if e.Key != "" {
		s += ", key " + e.Key
	}
	return s + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Lasting tells whether the table or the event is to blame, so that the same
// event would be refused again: not the connection, the server's condition, a
// lock or another transaction, which pass, nor a conflict that is to stop the
// apply.
func (e *Error) Lasting() bool {
	if e.Table == (ident.Name{}) || errors.Is(e.Err, ErrConflict) {
		return false
	}
	pg, ok := errors.AsType[*pgconn.PgError](e.Err)
	if !ok {
		return e.Statement == "" // what the server did not even answer
	}
	return len(pg.Code) == 5 && !slices.Contains(passing, pg.Code[:2]) && pg.Code != "XX000"
}

// passing are the classes of errors that say nothing of a table: connection,
// transaction, rights of the session, rollback (deadlock, serialization),
// resources, locks, operator, system, snapshot, configuration. XX001 and XX002
// are a damaged table's or index's own.
var passing = []string{"08", "25", "26", "28", "40", "53", "55", "57", "58", "72", "F0"}
