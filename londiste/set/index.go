package set

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Object is an index of a table, or a constraint that has one.
type Object struct {
	kind  string // index, constraint: as in skytools.pending_ddl
	name  string
	IsKey bool   // rows are told apart by it when events are applied
	later bool   // deferrable: no arbiter of `on conflict`
	Bars  bool   // unique or exclusion: it refuses rows
	drop  string // the statement that drops it
	ddl   string // the statements that make it again, with all its settings
}

// indexesSQL lists the indexes of table $1, each with what an ordinary
// definition leaves out: tablespace, comments, whether the table is clustered
// or identified by it, statistics targets of its expressions.
const indexesSQL = `
	select ic.relname, coalesce(con.conname, ''), coalesce(con.contype::text, ''), am.amname = 'btree',
		pg_get_indexdef(i.indexrelid), coalesce(pg_get_constraintdef(con.oid), ''),
		coalesce(con.condeferrable, false), coalesce(con.condeferred, false),
		coalesce(ts.spcname, ''), coalesce(obj_description(i.indexrelid, 'pg_class'), ''),
		coalesce(obj_description(con.oid, 'pg_constraint'), ''),
		i.indisclustered, i.indisreplident,
		array(select a.attnum || ' ' || a.attstattarget from pg_attribute a
			where a.attrelid = i.indexrelid and a.attstattarget >= 0),
		i.indisunique and i.indpred is null and i.indexprs is null and (
			select array_agg(a.attname::text order by a.attname::text collate "C")
			from unnest(i.indkey::int2[]) with ordinality as k (attnum, nr)
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
			where k.nr <= i.indnkeyatts
		) = $2::text[], i.indisunique or i.indisexclusion
	from pg_index i
	join pg_class ic on ic.oid = i.indexrelid
	join pg_am am on am.oid = ic.relam
	left join pg_tablespace ts on ts.oid = ic.reltablespace
	left join pg_constraint con on con.conindid = i.indexrelid and con.conrelid = i.indrelid
		and con.contype in ('p', 'u', 'x')
	where i.indrelid = to_regclass($1)::oid
	order by coalesce(con.contype <> 'p', true), ic.relname`

// TableObjects lists the indexes of a table; key is the columns, sorted, by
// which events tell its rows apart.
func TableObjects(ctx context.Context, q Queryer, table ident.Name, key []string) ([]Object, error) {
	rows, err := q.Query(ctx, indexesSQL, table.SQL(), key)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Object, error) {
		var x indexRow
		err := row.Scan(&x.index, &x.con, &x.contype, &x.btree, &x.def, &x.conDef, &x.deferrable, &x.deferred,
			&x.space, &x.comment, &x.conComment, &x.clustered, &x.replIdent, &x.stats, &x.isKey, &x.bars)
		return x.object(table), err
	})
}

type indexRow struct {
	index, con, contype         string
	btree, deferrable, deferred bool
	def, conDef                 string
	space, comment, conComment  string
	clustered, replIdent        bool
	stats                       []string // "attnum target"
	isKey, bars                 bool
}

func (x indexRow) object(table ident.Name) Object {
	index := ident.Name{Schema: table.Schema, Name: x.index}
	o := Object{kind: "index", name: x.index, IsKey: x.isKey, later: x.deferrable, Bars: x.bars, drop: "drop index " + index.SQL()}
	// The statements run under a search path and a tablespace of their own;
	// "" is the database's, and must be said where the role has another.
	ddl := []string{"set local default_tablespace = " + ident.Literal(x.space)}
	alter := "alter table only " + table.SQL() + " "
	if x.con != "" {
		o.kind, o.name = "constraint", x.con
		o.drop = alter + "drop constraint " + ident.Quote(x.con)
	}
	switch {
	case x.con == "":
		ddl = append(ddl, x.def)
	case !x.btree || x.contype == "x": // only its own definition makes it
		ddl = append(ddl, alter+"add constraint "+ident.Quote(x.con)+" "+x.conDef)
	default: // by way of the index, which brings its storage settings
		kind := map[string]string{"p": "primary key", "u": "unique"}[x.contype]
		ddl = append(ddl, x.def, alter+"add constraint "+ident.Quote(x.con)+" "+kind+
			" using index "+ident.Quote(x.index)+x.deferral())
	}
	if x.comment != "" {
		ddl = append(ddl, "comment on index "+index.SQL()+" is "+ident.Literal(x.comment))
	}
	if x.conComment != "" {
		ddl = append(ddl, "comment on constraint "+ident.Quote(x.con)+" on "+table.SQL()+" is "+ident.Literal(x.conComment))
	}
	if x.clustered {
		ddl = append(ddl, alter+"cluster on "+ident.Quote(x.index))
	}
	if x.replIdent {
		ddl = append(ddl, alter+"replica identity using index "+ident.Quote(x.index))
	}
	for _, s := range x.stats {
		attnum, target, _ := strings.Cut(s, " ")
		ddl = append(ddl, "alter index "+index.SQL()+" alter column "+attnum+" set statistics "+target)
	}
	o.ddl = strings.Join(ddl, ";\n")
	return o
}

func (x indexRow) deferral() string {
	switch {
	case x.deferred:
		return " deferrable initially deferred"
	case x.deferrable:
		return " deferrable"
	}
	return ""
}

// IsKeyed tells whether rows can be told apart by an index at once.
func IsKeyed(all []Object) bool {
	return slices.ContainsFunc(all, func(o Object) bool { return o.IsKey && !o.later })
}

// DropObjects writes down and drops what can be dropped of a table's indexes,
// each in a savepoint; what something else depends on stays.
func DropObjects(ctx context.Context, tx pgx.Tx, p *Pair, t *Table, key []string) error {
	all, err := TableObjects(ctx, tx, t.Dest, key)
	if err != nil {
		return fmt.Errorf("indexes: %w", err)
	}
	for _, o := range all {
		err := InSavepoint(ctx, tx, func() error {
			_, err := tx.Exec(ctx, o.drop)
			return err
		})
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !tx.Conn().IsClosed() {
			p.Logger().Debug("Index stays during the copy", "table", t.Dest.String(), "index", o.name, "error", pg)
			continue
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into skytools.pending_ddl (queue_name, table_name, kind, object_name, ddl, is_key)
			values ($1, $2, $3, $4, $5, $6)
			on conflict (queue_name, table_name, kind, object_name) do update
			set ddl = excluded.ddl, is_key = excluded.is_key`,
			p.Queue, t.Name.String(), o.kind, o.name, o.ddl, o.IsKey)
		if err != nil {
			return err
		}
	}
	return nil
}

// Pending is a dropped index or constraint.
type Pending struct {
	ID        int32
	Kind      string
	Name, DDL string
}

// PendingObjects lists what pending_ddl holds of a table's indexes and
// constraints, or only of its keys.
func PendingObjects(ctx context.Context, q Queryer, p *Pair, name ident.Name, keys bool) ([]Pending, error) {
	rows, err := q.Query(ctx, `select pending_id, kind, object_name, ddl from skytools.pending_ddl
		where queue_name = $1 and table_name = $2 and kind in ('index', 'constraint') and (is_key or not $3)
		order by pending_id`, p.Queue, name.String(), keys)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Pending])
}

// Build makes it again, with the end of its row.
func (o Pending) Build(ctx context.Context, tx pgx.Tx, p *Pair, table ident.Name) error {
	var needed bool
	if err := tx.QueryRow(ctx, neededSQL, table.SQL(), o.Name).Scan(&needed); err != nil {
		return err
	}
	if needed {
		p.Logger().Info("Building index", "table", table.String(), "index", o.Name)
		if err := runDDL(ctx, tx, p, o.DDL); err != nil {
			return fmt.Errorf("table %s: build %s: %w", table, o.Name, err)
		}
	}
	_, err := tx.Exec(ctx, `delete from skytools.pending_ddl where pending_id = $1`, o.ID)
	return err
}

// RebuildObjects makes again what pending_ddl holds of a table's indexes and
// constraints, or of its keys, each in a transaction of its own. name is the
// table's in the set, table its own.
func RebuildObjects(ctx context.Context, conn *pgx.Conn, p *Pair, name, table ident.Name, keys bool, write Writer) error {
	list, err := PendingObjects(ctx, conn, p, name, keys)
	if err != nil {
		return err
	}
	for _, o := range list {
		if err := o.Rebuild(ctx, p, table, write); err != nil {
			return err
		}
	}
	return nil
}

// Rebuild is build in a transaction of its own.
func (o Pending) Rebuild(ctx context.Context, p *Pair, table ident.Name, write Writer) error {
	return write(failpoint.CopyIndex, func(tx pgx.Tx) error { return o.Build(ctx, tx, p, table) })
}

// Alone tells an object whose statements ask for more of the table's locks
// after its index is built: two of those side by side would wait for each
// other.
func (o Pending) Alone() bool { return o.Kind != "index" || strings.Contains(o.DDL, ";\nalter table") }

// SettleTable lets the planner know of a copied table's rows and notes that
// its indexes are complete.
func SettleTable(ctx context.Context, p *Pair, t *Table, write Writer) error {
	err := write(failpoint.CopyIndex, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "analyze "+t.Dest.SQL()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update londiste.table_info set custom_snapshot = null
			where queue_name = $1 and table_name = $2 and merge_state = 'catching-up'`, p.Queue, t.Name.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	return nil
}

// runDDL runs saved statements with room for sorting.
func runDDL(ctx context.Context, tx pgx.Tx, p *Pair, ddl string) error {
	if err := BeginDDL(ctx, tx, p); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `select set_config('maintenance_work_mem', $1, true)
		where pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes($1)`, maintenanceMemory)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, ddl, pgx.QueryExecModeSimpleProtocol)
	return err
}

// maintenanceMemory is for one index at a time.
const maintenanceMemory = "256MB"

// neededSQL tells whether table $1 is there and has no index or constraint
// $2 yet: somebody may have made it by hand meanwhile.
const neededSQL = `select exists (select from pg_class where oid = to_regclass($1)::oid) and not exists (
		select from pg_index i join pg_class c on c.oid = i.indexrelid
		where i.indrelid = to_regclass($1)::oid and c.relname = $2
	) and not exists (
		select from pg_constraint where conrelid = to_regclass($1)::oid and conname = $2
	)`
