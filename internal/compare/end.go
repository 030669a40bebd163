package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// End is one side: connections that read under one snapshot.
type End struct {
	Name     string // provider or subscriber, for messages
	Snapshot string // an exported snapshot that stays open while End is used

	conns    []*pgx.Conn
	version  int
	encoding string
	block    int64
	load     load
	peer     *End // the other one of a comparison; nil: none
}

// sessionSQL makes values read as text the same at any server, and undoes what
// the database or the role may have set for people. Rows hidden by a policy
// would be missing in silence: rather an error.
const sessionSQL = `set search_path = pg_catalog, pg_temp; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';
	set extra_float_digits = 3; set bytea_output = 'hex'; set lc_monetary = 'C'; set timezone = 'UTC'; set xmloption = 'content';
	set xmlbinary = 'base64'; set quote_all_identifiers = off; set client_encoding = 'UTF8'; set row_security = off;
	set statement_timeout = 0; set lock_timeout = '30s'; set idle_in_transaction_session_timeout = 0;
	set max_parallel_workers_per_gather = 0; set jit = off;
	set session characteristics as transaction isolation level read committed, read write;
	select set_config(name, '0', false) from pg_settings where name in ('transaction_timeout', 'idle_session_timeout')`

// Open connects n times.
func Open(ctx context.Context, name string, cfg *pgx.ConnConfig, n int) (*End, error) {
	e := &End{Name: name}
	for range max(n, 1) {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			e.Close()
			return nil, hint.Connect(err, &cfg.Config, "the "+name+" database", name+"_db")
		}
		e.conns = append(e.conns, conn)
		if _, err = conn.Exec(ctx, sessionSQL); err != nil {
			e.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	err := e.conns[0].QueryRow(ctx, `select current_setting('server_version_num')::int / 10000,
		current_setting('server_encoding'), current_setting('block_size')::bigint`).Scan(&e.version, &e.encoding, &e.block)
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, nil
}

// Close ends the connections.
func (e *End) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range e.conns {
		_ = c.Close(ctx)
	}
	e.conns = nil
}

// Broken tells whether a connection was lost.
func (e *End) Broken() bool {
	return slices.ContainsFunc(e.conns, func(c *pgx.Conn) bool { return c.IsClosed() })
}

// ErrRewritten: a table cannot be seen any more as it was at its snapshot.
// Another snapshot will do.
var ErrRewritten = errors.New("the table was rewritten or emptied since")

// ErrNoTable: it does not exist at an end, or is none.
var ErrNoTable = errors.New("no such table")

// attribute is a column of one end.
type attribute struct {
	name      string
	base      uint32 // its type, below domains
	notNull   bool
	generated bool
	virtual   bool
}

// relation is a table of one end: the relations that hold its rows, and its
// columns as of the snapshot.
type relation struct {
	columns []attribute
	leaves  []leaf
	rows    float64 // as the planner thinks
}

type leaf struct {
	oid   uint32
	name  ident.Name
	from  string // what stands behind FROM
	file  string // of the snapshot's catalogue; "" none
	pages int64
}

const columnSQL = `
	select a.attname::text, (
			with recursive d (oid, typtype, typbasetype) as (
				select t.oid, t.typtype, t.typbasetype from pg_type t where t.oid = a.atttypid
				union all
				select t.oid, t.typtype, t.typbasetype from d join pg_type t on t.oid = d.typbasetype where d.typtype = 'd'
			) select d.oid from d where d.typtype <> 'd'),
		a.attnotnull, a.attgenerated <> '', a.attgenerated = 'v'
	from pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped`

// leafSQL reads names from pg_class: the snapshot's, as the columns are. The
// size is asked for after the snapshot was taken: it can only have grown.
const leafSQL = `
	select c.oid, n.nspname::text, c.relname::text, case when c.relkind = 'r' then c.relfilenode::text else '' end,
		case when c.relkind = 'r' then coalesce(pg_relation_size(c.oid), 0) else 0 end, greatest(c.reltuples, 0)::float8, c.relkind::text
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.oid = $1 and c.relkind = 'r'
		or c.oid in (select relid from pg_partition_tree($1) where isleaf) and $2
	order by c.oid`

// describe reads the catalogue under the snapshot.
func (e *End) describe(ctx context.Context, table ident.Name) (*relation, error) {
	tx, err := e.begin(ctx, e.conns[0])
	if err != nil {
		return nil, e.explain(table, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	var oid uint32
	var kind string
	err = tx.QueryRow(ctx, `select c.oid, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2`, table.Schema, table.Name).Scan(&oid, &kind)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && kind != "r" && kind != "p" {
		err = ErrNoTable
	}
	if err != nil {
		return nil, e.explain(table, err)
	}
	rows, err := tx.Query(ctx, columnSQL, oid)
	if err != nil {
		return nil, e.explain(table, err)
	}
	r := &relation{}
	r.columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a attribute, err error) {
		return a, row.Scan(&a.name, &a.base, &a.notNull, &a.generated, &a.virtual)
	})
	if err != nil {
		return nil, e.explain(table, err)
	}
	rows, err = tx.Query(ctx, leafSQL, oid, kind == "p")
	if err != nil {
		return nil, e.explain(table, err)
	}
	r.leaves, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l leaf, err error) {
		var size int64
		var rows float64
		var kind string
		err = row.Scan(&l.oid, &l.name.Schema, &l.name.Name, &l.file, &size, &rows, &kind)
		l.from, l.pages = "only "+l.name.SQL()+" "+alias, size/e.block
		if kind != "r" {
			l.from = l.name.SQL() + " " + alias // a foreign table
		}
		r.rows += rows
		return l, err
	})
	return r, e.explain(table, err)
}

// begin begins a transaction that sees the snapshot.
func (e *End) begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `set transaction snapshot `+ident.Literal(e.Snapshot)); err != nil {
		_ = tx.Rollback(ctx)
		return nil, err
	}
	return tx, nil
}

func (e *End) explain(table ident.Name, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: table %s: %w", e.Name, table, err)
}

// piece is a slice of a relation: blocks from, and before to unless that is 0.
type piece struct {
	leaf     leaf
	from, to int64
}

func (p piece) condition(where string) string {
	c := "true"
	if p.from > 0 {
		c = fmt.Sprintf("%s.ctid >= '(%d,0)'::tid", alias, p.from)
	}
	if p.to > 0 {
		c += fmt.Sprintf(" and %s.ctid < '(%d,0)'::tid", alias, p.to)
	}
	if where != "" {
		c += " and (" + where + "\n)"
	}
	return c
}

// cutter hands out the slices of a relation, of a size that changes with the
// pace. A server before 14 reads the whole table for each: it gets one.
type cutter struct {
	mu     sync.Mutex
	leaves []leaf
	at     int64
	whole  bool
}

func (c *cutter) next(pages int64) (piece, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.leaves) == 0 {
		return piece{}, false
	}
	p := piece{leaf: c.leaves[0], from: c.at}
	if rest := p.leaf.pages - c.at; rest <= pages+pages/2 || c.whole || p.leaf.file == "" {
		c.leaves, c.at = c.leaves[1:], 0
		return p, true
	}
	c.at += pages
	p.to = c.at
	return p, true
}

// scan runs a query on all slices, over all connections, and hands its rows to
// take, which is not called by two at once. query has %s for FROM's item and
// %s for the condition.
func (e *End) scan(ctx context.Context, r *relation, pace Pace, query func(from, condition string) string, where string, take func([][]byte) error) error {
	e.load.scans.Add(1)
	defer e.load.scans.Add(-1)
	cut := &cutter{leaves: r.leaves, whole: e.version < 14}
	var mu sync.Mutex
	var group sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, conn := range e.conns {
		group.Go(func() {
			for ctx.Err() == nil {
				p, more := cut.next(e.pages(pace))
				if !more {
					return
				}
				begin := time.Now()
				err := e.slice(ctx, conn, p, query(p.leaf.from, p.condition(where)), func(row [][]byte) error {
					mu.Lock()
					defer mu.Unlock()
					return take(row)
				})
				if err == nil {
					err = e.rest(ctx, conn, pace, p, time.Since(begin))
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// slice runs one query in a transaction of its own, in one round trip, and
// then makes sure that the table was still the snapshot's, and not another that
// has its name now: it is locked by now.
func (e *End) slice(ctx context.Context, conn *pgx.Conn, p piece, sql string, take func([][]byte) error) error {
	const begin = `begin isolation level repeatable read read only; set transaction snapshot %s;
		%s;
		select coalesce(pg_relation_filenode(%d)::text, '') <> %s or to_regclass(%s)::oid is distinct from %[3]d::oid; rollback`
	results := conn.PgConn().Exec(ctx, fmt.Sprintf(begin, ident.Literal(e.Snapshot), sql, p.leaf.oid,
		ident.Literal(p.leaf.file), ident.Literal(p.leaf.name.SQL())))
	var rewritten bool
	var err error
	for n := 0; results.NextResult(); n++ {
		rows := results.ResultReader()
		for rows.NextRow() {
			switch {
			case n == 2 && err == nil:
				err = take(rows.Values())
			case n == 3:
				rewritten = rows.Values()[0][0] == 't' && p.leaf.file != "" // "": a foreign table
			}
		}
		if _, e := rows.Close(); e != nil {
			err = errors.Join(e, err)
		}
	}
	if e := results.Close(); e != nil {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "rollback")
		err = e
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42P01" {
		err = errors.Join(ErrRewritten, err)
	}
	if err == nil && rewritten {
		err = ErrRewritten
	}
	return err
}
