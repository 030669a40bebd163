package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Part makes the rows of some keys what they are at the source, gone ones
// included, in one transaction of the destination:
//
//	tx        Stage; Collect or Take     which keys, as the destination has them
//	source    Fetch; FetchRest           their rows, by one snapshot, into staging
//	tx        Replace                    rows that differ go, those that are missing come
//
// A key counts by the equality of its unique index, a row by its bytes. What is
// equal already is not written.
type Part struct {
	Plan
	key   []keyColumn // of the destination
	there []keyColumn // of the source, in the same order
	here  string      // the destination as a query names it
}

// keyColumn is a column of the key at one side.
type keyColumn struct {
	name   string
	typ    string
	equals string // its operator
}

const (
	stagingName = "skytools_staging"
	keyName     = "skytools_key"
	restName    = "skytools_rest"
	restSize    = 1000 // keys asked for at a time
)

// keySQL describes key columns $2 of table $1. The equality of a unique B-tree is
// its family's third strategy.
const keySQL = `
	select k.name, format_type(a.atttypid, -1), coalesce(op.equals, 'operator(pg_catalog.=)'), c.relkind::text
	from unnest($2::text[]) with ordinality k (name, n)
	join pg_class c on c.oid = to_regclass($1)::oid
	join pg_attribute a on a.attrelid = c.oid and a.attname = k.name and a.attnum > 0 and not a.attisdropped
	left join lateral (
		select 'operator(' || quote_ident(n.nspname) || '.' || o.oprname || ')' as equals
		from pg_index i
		cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) x (attnum, opc)
		join pg_opclass oc on oc.oid = x.opc
		join pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3
			and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
		join pg_am m on m.oid = oc.opcmethod and m.amname = 'btree'
		join pg_operator o on o.oid = ao.amopopr
		join pg_namespace n on n.oid = o.oprnamespace
		where i.indrelid = a.attrelid and i.indisunique and x.attnum = a.attnum
		order by not i.indisprimary, i.indexrelid limit 1) op on true
	order by k.n`

// NewPart describes a table with its key at both sides.
func NewPart(ctx context.Context, from Queryer, src ident.Name, to Queryer, dest ident.Name, key []string) (Part, error) {
	var p Part
	var err error
	if p.Plan, err = NewPlan(ctx, from, src, to, dest); err != nil {
		return p, err
	}
	if len(key) == 0 {
		return p, fmt.Errorf("table %s has no key: its rows cannot be told apart", src)
	}
	if p.there, _, err = keyColumns(ctx, from, src, key); err != nil {
		return p, fmt.Errorf("provider: %w", err)
	}
	if p.key, p.here, err = keyColumns(ctx, to, dest, key); err != nil {
		return p, fmt.Errorf("subscriber: %w", err)
	}
	for _, k := range p.key {
		if !slices.Contains(p.names, ident.Quote(k.name)) {
			return p, fmt.Errorf("column %s of the key of table %s is generated at the subscriber", k.name, dest)
		}
	}
	return p, nil
}

func keyColumns(ctx context.Context, q Queryer, table ident.Name, key []string) (list []keyColumn, from string, err error) {
	from = "only " + table.SQL()
	rows, err := q.Query(ctx, keySQL, table.SQL(), key)
	if err == nil {
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (keyColumn, error) {
			var c keyColumn
			var kind string
			err := row.Scan(&c.name, &c.typ, &c.equals, &kind)
			if kind == "p" { // which has no rows of its own
				from = table.SQL()
			}
			return c, err
		})
	}
	if err == nil && len(list) < len(key) {
		err = errors.New("a column is missing")
	}
	if err != nil {
		err = fmt.Errorf("key (%s) of %s: %w", strings.Join(key, ", "), table, err)
	}
	return list, from, err
}

// keys lists the key's columns, as those of a table's alias where one is given.
func (p Part) keys(alias string) string {
	names := make([]string, len(p.key))
	for i, k := range p.key {
		names[i] = alias + ident.Quote(k.name)
	}
	return strings.Join(names, ", ")
}

// match is the condition that two aliases have the same key at the destination.
func (p Part) match(a, b string) string {
	parts := make([]string, len(p.key))
	for i, k := range p.key {
		parts[i] = fmt.Sprintf("%s.%s %s %s.%[2]s", a, ident.Quote(k.name), k.equals, b)
	}
	return strings.Join(parts, " and ")
}

// Stage makes the temporary tables, which end with the transaction.
func (p Part) Stage(ctx context.Context, tx pgx.Tx) error {
	for _, t := range [][2]string{{stagingName, p.columns}, {keyName, p.keys("")}} {
		_, err := tx.Exec(ctx, "create temp table "+t[0]+" on commit drop as select "+t[1]+" from "+p.here+" with no data")
		if err != nil {
			return hint.With(fmt.Errorf("subscriber: staging table: %w", err), "the role needs the right to make temporary tables there")
		}
	}
	return nil
}

// Collect takes the keys of the destination's rows for which a condition is
// true. It may not write: whoever wrote it was asked for a question.
func (p Part) Collect(ctx context.Context, tx pgx.Tx, condition string) error {
	var path string
	if err := tx.QueryRow(ctx, "select current_setting('search_path')").Scan(&path); err != nil {
		return err
	}
	for _, sql := range []string{
		"savepoint question",
		"set local transaction_read_only = on", // until the savepoint goes; temporary tables are exempt
		"set local search_path = pg_catalog",
		"insert into pg_temp." + keyName + " select " + p.keys("") + " from " + p.here + " where (" + condition + "\n)",
		"release savepoint question",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
	}
	_, err := tx.Exec(ctx, "select set_config('search_path', $1, true)", path)
	return err
}

// Take takes the keys that a query of the destination gives: in column key, each
// an object of its columns' texts.
func (p Part) Take(ctx context.Context, tx pgx.Tx, query string, args ...any) error {
	values := make([]string, len(p.key))
	for i, k := range p.key {
		values[i] = fmt.Sprintf("(q.key ->> %s)::%s", ident.Literal(k.name), k.typ)
	}
	_, err := tx.Exec(ctx, "insert into pg_temp."+keyName+" select "+strings.Join(values, ", ")+" from ("+query+") q", args...)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	return nil
}

// Fetch brings the source's rows for which a condition is true. The pipe reads
// under the snapshot and writes by the transaction that has staged.
func (p Part) Fetch(ctx context.Context, pipe Pipe, condition string) (int64, error) {
	return pipe.Run(ctx, "copy (select "+p.columns+" from "+p.rows()+" where ("+condition+"\n)) to stdout"+p.with(),
		p.into("pg_temp."+stagingName))
}

// FetchRest brings the source's rows of the keys whose rows have not come yet.
func (p Part) FetchRest(ctx context.Context, pipe Pipe, tx pgx.Tx) (rows int64, err error) {
	texts := make([]string, len(p.key))
	for i, k := range p.key {
		texts[i] = "concat(" + ident.Quote(k.name) + ")"
	}
	for _, sql := range []string{
		"analyze pg_temp." + stagingName, "analyze pg_temp." + keyName,
		"create temp table " + restName + " on commit drop as select distinct " + p.keys("") + " from pg_temp." + keyName +
			" k where not exists (select from pg_temp." + stagingName + " s where " + p.match("s", "k") + ")",
		"declare " + restName + " no scroll cursor for select array[" + strings.Join(texts, ", ") + "] from pg_temp." + restName,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return 0, fmt.Errorf("subscriber: %w", err)
		}
	}
	for {
		found, err := tx.Query(ctx, fmt.Sprintf("fetch %d from %s", restSize, restName))
		if err != nil {
			return rows, fmt.Errorf("subscriber: %w", err)
		}
		keys, err := pgx.CollectRows(found, pgx.RowTo[[]string])
		if err != nil {
			return rows, fmt.Errorf("subscriber: %w", err)
		}
		if len(keys) == 0 {
			return rows, p.complete(ctx, tx)
		}
		n, err := pipe.Run(ctx, p.outKeys(keys), p.into("pg_temp."+stagingName))
		if err != nil {
			return rows, err
		}
		rows += n
	}
}

// outKeys is the COPY that reads the rows of some keys.
func (p Part) outKeys(keys [][]string) string {
	lists, names, conditions := make([]string, len(p.there)), make([]string, len(p.there)), make([]string, len(p.there))
	column := make([]string, len(keys))
	for i, k := range p.there {
		for j := range keys {
			column[j] = ident.Literal(keys[j][i])
		}
		lists[i], names[i] = "array["+strings.Join(column, ",")+"]", fmt.Sprintf("k%d", i)
		conditions[i] = fmt.Sprintf("t.%s %s x.k%d::%s", ident.Quote(k.name), k.equals, i, k.typ)
	}
	return "copy (select " + p.columns + " from " + p.rows() + " t where exists (select from unnest(" + strings.Join(lists, ", ") +
		") x (" + strings.Join(names, ", ") + ") where " + strings.Join(conditions, " and ") + ")) to stdout" + p.with()
}

// complete adds the keys of the rows that have come. A key with a null could
// not be found again.
func (p Part) complete(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "insert into pg_temp."+keyName+" select "+p.keys("")+" from pg_temp."+stagingName)
	for _, t := range []string{stagingName, keyName} {
		if err == nil {
			_, err = tx.Exec(ctx, "analyze pg_temp."+t)
		}
	}
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	var null bool
	err = tx.QueryRow(ctx, "select exists (select from pg_temp."+keyName+" where num_nulls("+p.keys("")+") operator(pg_catalog.>) 0)").Scan(&null)
	if err == nil && null {
		err = fmt.Errorf("table %s has rows whose key is null: they cannot be told apart", p.Dest)
	}
	return err
}

// columnsOf lists the columns of an alias.
func (p Part) columnsOf(alias string) string {
	return alias + "." + strings.Join(p.names, ", "+alias+".")
}

// Clear deletes the rows of all keys.
func (p Part) Clear(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "delete from "+p.here+" t using pg_temp."+keyName+" k where "+p.match("t", "k"))
	return err
}

// Replace makes the rows of all keys what was fetched. Those that differ are
// deleted before others come, for they may hold unique values of each other.
func (p Part) Replace(ctx context.Context, tx pgx.Tx) (deleted, inserted int64, err error) {
	staged, here := p.columnsOf("s"), p.columnsOf("t")
	tag, err := tx.Exec(ctx, "delete from "+p.here+" t using pg_temp."+keyName+" k where "+p.match("t", "k")+
		" and not exists (select from pg_temp."+stagingName+" s where "+p.match("s", "t")+
		" and row("+staged+")::record operator(pg_catalog.*=) row("+here+")::record)")
	if err != nil {
		return 0, 0, err
	}
	deleted = tag.RowsAffected()
	tag, err = tx.Exec(ctx, "insert into "+p.Dest.SQL()+" ("+p.columns+") overriding system value select "+staged+
		" from pg_temp."+stagingName+" s where not exists (select from "+p.here+" t where "+p.match("t", "s")+")")
	if err != nil {
		return deleted, 0, err
	}
	_, err = tx.Exec(ctx, "set constraints all immediate")
	return deleted, tag.RowsAffected(), err
}
