package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// Storage is what the catalogue says of how a table is kept.
type Storage struct {
	Kind     string // pg_class.relkind
	Heap     bool   // rows lie in pages, and ctid is where
	Unlogged bool
	Rows     int64 // the planner's guess for the size that it has now; -1: none
	Bytes    int64
	Page     int64 // bytes of one
	Version  int   // of the server
	Staging  bool  // the role may make temporary tables
}

// ReadStorage reads it.
func ReadStorage(ctx context.Context, q Queryer, table ident.Name) (Storage, error) {
	var s Storage
	err := q.QueryRow(ctx, `
		select c.relkind::text, coalesce(a.amname = 'heap', false), c.relpersistence = 'u',
			case when c.reltuples >= 0 and c.relpages > 0
				then (c.reltuples / c.relpages * (pg_relation_size(c.oid) / b.size))::bigint else -1 end,
			coalesce(case when c.relkind = 'p' then (select sum(pg_relation_size(relid)) from pg_partition_tree(c.oid) where isleaf)
				else pg_relation_size(c.oid) end, 0)::bigint, b.size, current_setting('server_version_num')::int / 10000,
			has_database_privilege(current_database(), 'TEMP')
		from pg_class c left join pg_am a on a.oid = c.relam, (select current_setting('block_size')::bigint) b (size)
		where c.oid = to_regclass($1)::oid`, table.SQL()).
		Scan(&s.Kind, &s.Heap, &s.Unlogged, &s.Rows, &s.Bytes, &s.Page, &s.Version, &s.Staging)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("table %s does not exist", table)
	}
	return s, err
}

// File is the number of the file that holds a table's rows: another after the
// table was rewritten or truncated, which an older snapshot does not see
// rightly. It holds for a chunk when it is asked under the lock that the
// chunk is read under, and for an attempt when asked before its snapshot.
func File(ctx context.Context, q Queryer, table ident.Name) (uint32, error) {
	var file *uint32
	err := q.QueryRow(ctx, `select pg_relation_filenode(to_regclass($1))::oid`, table.SQL()).Scan(&file)
	if err == nil && file == nil {
		err = fmt.Errorf("table %s does not exist", table)
	}
	if err != nil {
		return 0, err
	}
	return *file, nil
}

// Chunk is a range of a table's pages.
type Chunk struct {
	First int64 // page
	End   int64 // the first page behind it; 0: there is no end
}

// Split cuts a table of some pages into chunks. What comes to the table behind
// its last page belongs to the last chunk.
func Split(pages, size int64) []Chunk {
	var all []Chunk
	for first := int64(0); ; first += size {
		if first+size >= pages {
			return append(all, Chunk{First: first})
		}
		all = append(all, Chunk{First: first, End: first + size})
	}
}

// OutChunk is the COPY that reads one chunk.
func (p Plan) OutChunk(c Chunk) string {
	where := fmt.Sprintf("ctid >= '(%d,0)'::tid", c.First)
	if c.End > 0 {
		where += fmt.Sprintf(" and ctid < '(%d,0)'::tid", c.End)
	}
	return "copy (select " + p.columns + " from only " + p.Source.SQL() + " where " + where + ") to stdout" + p.with()
}

// Merge moves rows that the table may hold already, by the transaction tx.
// What conflicts with a row that is there is left out: of the caller it needs
// that whichever of two rows stays, what is right follows. A unique index on
// the key must exist. It returns how many rows were read.
func (p Plan) Merge(ctx context.Context, pipe Pipe, tx pgx.Tx, out string) (int64, error) {
	_, err := tx.Exec(ctx, "create temp table "+stagingName+" on commit drop as select "+p.columns+" from only "+
		p.Dest.SQL()+" with no data")
	if err != nil {
		return 0, fmt.Errorf("subscriber: staging table: %w", err)
	}
	n, err := pipe.Run(ctx, out, p.into("pg_temp."+stagingName))
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, "insert into "+p.Dest.SQL()+" ("+p.columns+") overriding system value select "+p.columns+
		" from pg_temp."+stagingName+" on conflict do nothing")
	if err != nil {
		return 0, fmt.Errorf("subscriber: %w", err)
	}
	return n, nil
}

// Partitioned tells a table that has no rows of its own.
func (s Storage) Partitioned() bool { return s.Kind == "p" }
