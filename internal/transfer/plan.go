package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Queryer is a connection or a transaction.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Plan says which columns of a table are moved and how.
type Plan struct {
	Source, Dest ident.Name
	names        []string // of the columns at both sides, quoted
	columns      string   // the same, joined
	binary       bool
	query        bool // only a query gives the source's rows out
	whole        bool // the source is partitioned: its rows are in its partitions
}

// NewPlan compares the columns of both sides. Those generated at the
// destination are left to compute themselves; a plain one there gets what the
// source has computed and stored.
func NewPlan(ctx context.Context, from Queryer, src ident.Name, to Queryer, dest ident.Name) (Plan, error) {
	p := Plan{Source: src, Dest: dest}
	theirs, theirVersion, err := attributes(ctx, from, src)
	if err != nil {
		return p, fmt.Errorf("provider: columns of %s: %w", src, err)
	}
	ours, ourVersion, err := attributes(ctx, to, dest)
	if err != nil {
		return p, fmt.Errorf("subscriber: columns of %s: %w", dest, err)
	}
	p.binary = theirVersion == ourVersion
	for _, col := range theirs {
		if col.generated && !col.stored {
			continue
		}
		i := slices.IndexFunc(ours, func(a attribute) bool { return a.name == col.name })
		if i < 0 {
			return p, hint.With(fmt.Errorf("column %s of table %s does not exist at the subscriber", col.name, dest),
				"add it there with the provider's type")
		}
		if ours[i].generated {
			continue
		}
		p.query = p.query || col.generated
		p.binary = p.binary && col.binary != "" && col.binary == ours[i].binary
		p.names = append(p.names, ident.Quote(col.name))
	}
	if len(p.names) == 0 {
		return p, fmt.Errorf("table %s has no column to copy", dest)
	}
	p.columns = strings.Join(p.names, ", ")
	err = from.QueryRow(ctx, `select relkind = 'p' from pg_class where oid = to_regclass($1)::oid`, src.SQL()).Scan(&p.whole)
	if err != nil {
		return p, fmt.Errorf("provider: %s: %w", src, err)
	}
	p.query = p.query || p.whole
	return p, nil
}

// rows is the source as a query names it.
func (p Plan) rows() string {
	if p.whole {
		return p.Source.SQL()
	}
	return "only " + p.Source.SQL()
}

// attribute is a column at one side.
type attribute struct {
	name      string
	generated bool
	stored    bool   // generated, and in the row
	binary    string // what the bytes of its binary form mean; "": only this server knows
}

// attributesSQL tells what the binary form of a column means. Types from
// initdb have the same number everywhere; those whose bytes hold an object's
// number or hang on a setting have not the same meaning. A domain has the
// bytes of its base type, an enum those of its label.
const attributesSQL = `
	with recursive base (attnum, typ) as (
		select attnum, atttypid from pg_attribute
		where attrelid = to_regclass($1)::oid and attnum > 0 and not attisdropped
		union all
		select b.attnum, t.typbasetype from base b join pg_type t on t.oid = b.typ where t.typtype = 'd')
	select a.attname::text, a.attgenerated <> '', a.attgenerated = 's', case
		when t.typtype = 'e' then 'enum'
		when t.oid < 10000 and t.typtype in ('b', 'r', 'm') and t.typsend <> 0 and t.typreceive <> 0
			and t.typname !~ '^_?(reg|money$)' then t.oid::text
		else '' end
	from base b join pg_type t on t.oid = b.typ and t.typtype <> 'd'
	join pg_attribute a on a.attrelid = to_regclass($1)::oid and a.attnum = b.attnum
	order by a.attnum`

// attributes lists a table's columns, and the server's major version.
func attributes(ctx context.Context, q Queryer, table ident.Name) ([]attribute, int, error) {
	var version int
	err := q.QueryRow(ctx, `select current_setting('server_version_num')::int / 10000`).Scan(&version)
	if err != nil {
		return nil, 0, err
	}
	rows, err := q.Query(ctx, attributesSQL, table.SQL())
	if err != nil {
		return nil, 0, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (attribute, error) {
		var a attribute
		err := row.Scan(&a.name, &a.generated, &a.stored, &a.binary)
		return a, err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("table %s does not exist", table)
	}
	return list, version, err
}

// Out is the COPY that reads the whole table.
func (p Plan) Out() string {
	from := p.Source.SQL() + " (" + p.columns + ")"
	if p.query {
		from = "(select " + p.columns + " from " + p.rows() + ")"
	}
	return "copy " + from + " to stdout" + p.with()
}

// In is the COPY that writes into the table. A table emptied in the same
// transaction takes frozen rows, which no vacuum has to look at again.
func (p Plan) In(frozen bool) string {
	if frozen {
		return p.into(p.Dest.SQL(), "freeze")
	}
	return p.into(p.Dest.SQL())
}

func (p Plan) into(table string, options ...string) string {
	return "copy " + table + " (" + p.columns + ") from stdin" + p.with(options...)
}

func (p Plan) with(options ...string) string {
	if p.binary {
		options = append(options, "format binary")
	}
	if len(options) == 0 {
		return ""
	}
	return " with (" + strings.Join(options, ", ") + ")"
}
