package set

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// ParkedTable tells why the worker leaves a table aside, and from where its
// events are kept: a row of skytools.parked_table.
type ParkedTable struct {
	Since     time.Time  `json:"since"`
	Tick      int64      `json:"tick"`                  // the table holds the provider's rows as of it
	With      string     `json:"parked_with,omitempty"` // the table that could not be applied; this one refers to it
	Error     string     `json:"error"`
	Event     int64      `json:"event_id,omitempty"` // 0 where it is not known which
	Key       string     `json:"key,omitempty"`
	Statement string     `json:"statement,omitempty"`
	RetriedAt *time.Time `json:"retried_at"`         // a retry is under way; nil: none is
	GivenUp   string     `json:"given_up,omitempty"` // why its events are kept no longer: only a copy mends it
}

// Aside tells whether the worker leaves the table aside and nobody works at
// bringing it back: it is parked, or given up.
func (t *Table) Aside() bool { return t.Parked != nil && t.Parked.RetriedAt == nil }

// Shown is the table's state in the words of `subscriber tables`.
func (t *Table) Shown() string {
	switch {
	case !t.Aside() && t.Part.Pending() && t.State.Phase != None:
		return "resyncing"
	case !t.Aside():
		return t.State.String()
	case t.Parked.GivenUp != "":
		return "given-up"
	}
	return "parked"
}

const parkedSQL = `select table_name, parked_at, tick_id, coalesce(parked_with, ''), error, coalesce(ev_id, 0),
		coalesce(key, ''), coalesce(statement, ''), retried_at, coalesce(given_up, '')
	from skytools.parked_table where queue_name = $1`

// NoteParked fills in which of the tables are parked, as a subscriber has it,
// and of which a part is to be copied anew.
func NoteParked(ctx context.Context, q Queryer, queue string, list []Table) error {
	rows, err := q.Query(ctx, parkedSQL, queue)
	if err != nil {
		return fmt.Errorf("read parked tables of %s: %w", queue, err)
	}
	found := map[string]*ParkedTable{}
	for rows.Next() {
		var name string
		p := &ParkedTable{}
		if err := p.scan(rows, &name); err != nil {
			rows.Close()
			return err
		}
		if !p.onlyAside() {
			found[name] = p
		}
	}
	for i := range list {
		list[i].Parked = found[list[i].Name.String()]
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return noteParts(ctx, q, queue, list)
}

// ReadParked reads why one table is parked, nil if it is not.
func ReadParked(ctx context.Context, q Queryer, queue string, table ident.Name) (*ParkedTable, error) {
	rows, err := q.Query(ctx, parkedSQL+` and table_name = $2`, queue, table.String())
	if err != nil {
		return nil, fmt.Errorf("read parked table %s: %w", table, err)
	}
	p, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (*ParkedTable, error) {
		var name string
		p := &ParkedTable{}
		return p, p.scan(row, &name)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return p, err
}

func (p *ParkedTable) scan(row pgx.Row, name *string) error {
	return row.Scan(name, &p.Since, &p.Tick, &p.With, &p.Error, &p.Event, &p.Key, &p.Statement, &p.RetriedAt, &p.GivenUp)
}

// Park writes down that a table is left aside from a tick on, whose events
// consumer keeps.
func (p *ParkedTable) Park(ctx context.Context, tx pgx.Tx, queue string, table ident.Name, consumer string) error {
	b := &pgx.Batch{}
	b.Queue(`
		insert into skytools.parked_table (queue_name, table_name, tick_id, parked_with, error, ev_id, key, statement)
		values ($1, $2, $3, nullif($4, ''), $5, nullif($6, 0), nullif($7, ''), nullif($8, ''))
		on conflict (queue_name, table_name) do update
		set tick_id = excluded.tick_id, parked_with = excluded.parked_with, error = excluded.error, ev_id = excluded.ev_id,
			key = excluded.key, statement = excluded.statement, retried_at = null, given_up = null`,
		queue, table.String(), p.Tick, p.With, p.Error, p.Event, p.Key, p.Statement)
	b.Queue(`
		insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
		values ($1, $2, $3, $4)
		on conflict (queue_name, consumer_name) do update
		set last_tick_id = excluded.last_tick_id, cur_error = null`,
		queue, consumer, RootNode, p.Tick)
	return tx.SendBatch(ctx, b).Close()
}

// Unpark forgets that a table was parked and that a part of it was copied anew;
// with passed also which of its events were passed over.
func Unpark(ctx context.Context, tx pgx.Tx, queue string, table ident.Name, passed bool) error {
	b := &pgx.Batch{}
	for _, from := range []string{"parked_table", "resync_part", "resync_key"} {
		b.Queue(`delete from skytools.`+from+` where queue_name = $1 and table_name = $2`, queue, table.String())
	}
	if passed {
		b.Queue(`delete from skytools.skipped_event where queue_name = $1 and table_name = $2`, queue, table.String())
	}
	return tx.SendBatch(ctx, b).Close()
}

// PassedOver reads which events of a table are not to be applied.
func PassedOver(ctx context.Context, q Queryer, queue string, table ident.Name) (map[int64]bool, error) {
	rows, err := q.Query(ctx, `select ev_id from skytools.skipped_event
		where queue_name = $1 and table_name = $2`, queue, table.String())
	if err != nil {
		return nil, fmt.Errorf("read skipped events: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	pass := map[int64]bool{}
	for _, id := range list {
		pass[id] = true
	}
	return pass, err
}
