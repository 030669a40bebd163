package set

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
)

// PartResync is a part of a table that is to be, or has been, copied anew: a row
// of skytools.resync_part.
type PartResync struct {
	Where    string    `json:"where,omitempty"` // the rows for which it is true at either side; "": those of the keys
	Keys     int64     `json:"keys,omitempty"`  // that a comparison found to differ
	AskedAt  time.Time `json:"asked_at"`
	Tick     *int64    `json:"tick"` // the rows are the provider's as of it; nil: not yet
	Deleted  *int64    `json:"rows_deleted"`
	Inserted *int64    `json:"rows_inserted"`
}

// Pending tells whether the rows have still to come.
func (p *PartResync) Pending() bool { return p != nil && p.Tick == nil }

// String says which rows they are.
func (p *PartResync) String() string {
	if p.Where != "" {
		return "rows where " + p.Where
	}
	return noun.Count(p.Keys, "row") + " that differed"
}

// A table set aside for a resync of a part has no error in its row of
// skytools.parked_table: it is on its way back already.
func (p *ParkedTable) onlyAside() bool { return p.Error == "" && p.GivenUp == "" }

const partSQL = `select r.table_name, coalesce(r.condition, ''), r.asked_at, r.tick_id, r.rows_deleted, r.rows_inserted,
		case when r.condition is null then (select count(*) from skytools.resync_key k
			where k.queue_name = r.queue_name and k.table_name = r.table_name) else 0 end
	from skytools.resync_part r where r.queue_name = $1`

func scanPart(row pgx.CollectableRow, name *string) (*PartResync, error) {
	p := &PartResync{}
	return p, row.Scan(name, &p.Where, &p.AskedAt, &p.Tick, &p.Deleted, &p.Inserted, &p.Keys)
}

// noteParts fills in of which tables a part is to be copied anew.
func noteParts(ctx context.Context, q Queryer, queue string, list []Table) error {
	rows, err := q.Query(ctx, partSQL, queue)
	if err != nil {
		return fmt.Errorf("read parts to be copied anew: %w", err)
	}
	found := map[string]*PartResync{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var name string
		p, err := scanPart(row, &name)
		found[name] = p
		return name, err
	})
	for i := range list {
		list[i].Part = found[list[i].Name.String()]
	}
	return err
}

// ReadPart reads which part of one table is to be copied anew, nil if none is.
func ReadPart(ctx context.Context, q Queryer, queue string, table ident.Name) (*PartResync, error) {
	rows, err := q.Query(ctx, partSQL+` and r.table_name = $2`, queue, table.String())
	if err != nil {
		return nil, fmt.Errorf("read part of table %s to be copied anew: %w", table, err)
	}
	p, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (*PartResync, error) {
		var name string
		return scanPart(row, &name)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return p, err
}

// SetAside writes down that the table is out of step from a tick on because a
// part of it is being copied anew.
func SetAside(ctx context.Context, tx pgx.Tx, p *Pair, table ident.Name, tick int64) error {
	if err := (&ParkedTable{Tick: tick}).Park(ctx, tx, p.Queue, table, p.CopyConsumer(table)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update skytools.parked_table set retried_at = parked_at
		where queue_name = $1 and table_name = $2`, p.Queue, table.String())
	return err
}

// KeysQuery gives the keys found by a comparison, with queue and table as
// parameters.
const KeysQuery = `select key from skytools.resync_key where queue_name = $1 and table_name = $2`

// Done writes down that the rows of p are there as of a tick; ErrMoved if they are
// not wanted any more, though others of the table may be by now.
func (p *PartResync) Done(ctx context.Context, tx pgx.Tx, queue string, table ident.Name, tick, deleted, inserted int64) error {
	tag, err := tx.Exec(ctx, `update skytools.resync_part set tick_id = $3, rows_deleted = $4, rows_inserted = $5
		where queue_name = $1 and table_name = $2 and tick_id is null and asked_at = $6`,
		queue, table.String(), tick, deleted, inserted, p.AskedAt)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrMoved
	}
	return err
}

// EventKey reads the columns by which the events of the provider's table tell
// rows apart, none where they cannot, and whether every change of a row becomes
// an event.
func EventKey(ctx context.Context, q Queryer, queue string, table ident.Name) (key []string, told bool, err error) {
	// Whatever else an option does, it may leave something out.
	rows, err := q.Query(ctx, `select key_columns, options - '{mode,format,key}'::text[] = '{}' from skytools.capture
		where queue_name = $1 and table_schema = $2 and table_name = $3`, queue, table.Schema, table.Name)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&key, &told}, func() error { return nil })
	}
	if err == nil && len(key) == 0 {
		key, err = PrimaryKey(ctx, q, table)
	}
	if err != nil {
		return nil, false, fmt.Errorf("provider: key of %s: %w", table, err)
	}
	return key, told, nil
}
