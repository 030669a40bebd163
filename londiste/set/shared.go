package set

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// sharedSQL pairs those of some names whose relations have rows in common: it is
// the same one, or one is a partition of the other, at any level. Names are
// looked up in the catalogue, which needs no right on another's schema.
const sharedSQL = `
	with recursive t (nr, oid) as (
		select x.nr, c.oid from unnest($1::text[], $2::text[]) with ordinality x (schema, name, nr)
		join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name
	), up (nr, oid) as (
		select nr, oid from t
		union
		select up.nr, i.inhparent from up join pg_inherits i on i.inhrelid = up.oid
		join pg_class c on c.oid = i.inhparent and c.relkind = 'p'
	)
	select up.nr - 1, t.nr - 1 from up join t on t.oid = up.oid where t.nr <> up.nr`

const fillSQL = `select t.queue_name, t.table_name, coalesce(t.dest_table, t.table_name) from londiste.table_info t
	left join pgq_node.node_info n on n.queue_name = t.queue_name
	where t.local and (t.queue_name = $1 or n.node_type <> 'root')`

// fill is a table that a queue's events go into.
type fill struct {
	queue      string
	name, dest ident.Name
}

// Shared lists, for tables of q's side as they are called here, who else brings
// rows into them, their partitions or what they are a partition of: other
// queues, and this one by another table. Those rows stand beside ours. Queues that
// a table feeds are left out. add are tables that are not registered yet.
func Shared(ctx context.Context, q Queryer, queue string, add ...Table) (map[ident.Name][]string, error) {
	shared, err := readShared(ctx, q, queue, add)
	if err != nil {
		return nil, fmt.Errorf("read who else fills tables of %s: %w", queue, err)
	}
	return shared, nil
}

func readShared(ctx context.Context, q Queryer, queue string, add []Table) (map[ident.Name][]string, error) {
	rows, err := q.Query(ctx, fillSQL, queue)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f fill, err error) {
		var name, dest string
		if err := row.Scan(&f.queue, &name, &dest); err != nil {
			return f, err
		}
		if f.name, err = ident.Parse(name); err != nil {
			return f, err
		}
		f.dest, err = ident.Parse(dest)
		return f, err
	})
	if err != nil {
		return nil, err
	}
	for _, t := range add {
		list = slices.DeleteFunc(list, func(f fill) bool { return f.queue == queue && f.name == t.Name })
		list = append(list, fill{queue, t.Name, t.Dest})
	}
	var schemas, names []string
	for _, f := range list {
		schemas, names = append(schemas, f.dest.Schema), append(names, f.dest.Name)
	}
	if rows, err = q.Query(ctx, sharedSQL, schemas, names); err != nil {
		return nil, err
	}
	shared := map[ident.Name][]string{}
	note := func(f, by fill) {
		who := by.queue
		if who == queue {
			who += " (" + by.name.String() + ")"
		}
		if f.queue == queue && !slices.Contains(shared[f.dest], who) {
			shared[f.dest] = append(shared[f.dest], who)
		}
	}
	var a, b int
	_, err = pgx.ForEachRow(rows, []any{&a, &b}, func() error {
		note(list[a], list[b])
		note(list[b], list[a])
		return nil
	})
	for _, who := range shared {
		slices.Sort(who)
	}
	return shared, err
}

// ErrShared: what was asked for would take rows that came from elsewhere.
var ErrShared = errors.New("it would take their rows")

// Unshared is an error if somebody else fills the table as well.
func Unshared(ctx context.Context, q Queryer, queue string, t Table, what string) error {
	shared, err := Shared(ctx, q, queue, t)
	by := shared[t.Dest]
	if err != nil || len(by) == 0 {
		return err
	}
	return fmt.Errorf("table %s is filled from queue %s as well, and %s would empty it: %w", t.Dest, strings.Join(by, ", "), what, ErrShared)
}
