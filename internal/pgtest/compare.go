package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// pinned are the settings under which both sides write their values as text.
// An empty search_path makes regclass and its like name their schema.
var pinned = map[string]string{
	"DateStyle":          "ISO, YMD",
	"TimeZone":           "UTC",
	"extra_float_digits": "1",
	"IntervalStyle":      "postgres",
	"bytea_output":       "hex",
	"lc_monetary":        "C",
	"xmloption":          "content",
	"search_path":        "",
}

// CompareTables fails the test unless each table has the same rows on both
// sides: all columns of the provider's table, ordered by key, hashed under
// pinned settings. It names the first row that differs. Tables are written as
// in commands: `entry`, `public.entry`, `"My Schema"."Entry"`.
func CompareTables(t testing.TB, providerDSN, subscriberDSN string, tables ...string) {
	t.Helper()
	ctx := context.Background()
	if len(tables) == 0 {
		t.Fatal("pgtest: no tables to compare")
	}
	p, s := ConnectPinned(t, providerDSN), ConnectPinned(t, subscriberDSN)
	defer p.Close(ctx)
	defer s.Close(ctx)
	for _, table := range tables {
		diff, err := DiffTable(ctx, p, s, table)
		if err != nil {
			t.Fatalf("compare table %s: %v", table, err)
		}
		if diff != "" {
			t.Errorf("table %s differs: %s", table, diff)
		}
	}
}

// ConnectPinned connects with the settings that make values comparable.
func ConnectPinned(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	maps.Copy(cfg.RuntimeParams, pinned)
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return conn
}

// DiffTable says how the table differs between two connections made by
// [ConnectPinned]: "" when it does not. For tests that wait for equality.
func DiffTable(ctx context.Context, provider, subscriber *pgx.Conn, table string) (string, error) {
	shape, err := loadShape(ctx, provider, table)
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	p, err := shape.summary(ctx, provider)
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	s, err := shape.summary(ctx, subscriber)
	if err != nil {
		return "", fmt.Errorf("subscriber: %w", err)
	}
	if p == s {
		return "", nil
	}
	row, err := shape.firstDifference(ctx, provider, subscriber)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows at the provider, %d at the subscriber; %s", p.rows, s.rows, row), nil
}

// shape is how a table is read: both sides are read with the provider's.
type shape struct {
	table string // quoted
	key   string // expression: text array of the key, or of all columns
	row   string // expression: the row as text
	order string
}

func loadShape(ctx context.Context, conn *pgx.Conn, table string) (*shape, error) {
	name, err := ident.Parse(table)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `
		select a.attname, coalesce(pg_catalog.array_position(i.indkey::int2[], a.attnum), -1)
		from pg_catalog.pg_attribute a
		left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
		where a.attrelid = $1::text::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped
		order by a.attnum`, name.SQL())
	if err != nil {
		return nil, err
	}
	var columns, key []string
	var column string
	var place int // in the key, from 0; -1 = not in it
	_, err = pgx.ForEachRow(rows, []any{&column, &place}, func() error {
		columns = append(columns, "t."+ident.Quote(column))
		if place >= 0 {
			key = append(key, make([]string, max(0, place+1-len(key)))...)
			key[place] = "t." + ident.Quote(column) + "::text"
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, errors.New("the table has no columns")
	}
	row := "row(" + strings.Join(columns, ", ") + ")::text"
	if len(key) == 0 {
		key = []string{row}
	}
	s := &shape{table: name.SQL(), row: row, key: "array[" + strings.Join(key, ", ") + "]"}
	// Collations differ between servers; bytes do not.
	for i, k := range key {
		if i > 0 {
			s.order += ", "
		}
		s.order += "(" + k + `) collate "C"`
	}
	return s, nil
}

type summary struct {
	rows int64
	hash string
}

func (s *shape) summary(ctx context.Context, conn *pgx.Conn) (summary, error) {
	var sum summary
	sql := fmt.Sprintf(`select count(*), coalesce(md5(string_agg(md5(%s), '' order by %s)), '') from %s t`,
		bytesOf(conn, s.row), s.order, s.table)
	err := conn.QueryRow(ctx, sql).Scan(&sum.rows, &sum.hash)
	return sum, err
}

// bytesOf makes the text the same bytes in databases of different encodings.
func bytesOf(conn *pgx.Conn, text string) string {
	if conn.PgConn().ParameterStatus("server_encoding") == "SQL_ASCII" {
		return text
	}
	return "convert_to(" + text + ", 'UTF8')"
}

// firstDifference reads both sides in order until they part.
func (s *shape) firstDifference(ctx context.Context, provider, subscriber *pgx.Conn) (string, error) {
	sql := fmt.Sprintf("select (%s)::text, %s from %s t order by %s", s.key, s.row, s.table, s.order)
	p, err := provider.Query(ctx, sql)
	if err != nil {
		return "", err
	}
	defer p.Close()
	q, err := subscriber.Query(ctx, sql)
	if err != nil {
		return "", err
	}
	defer q.Close()
	for {
		pKey, pRow, pOK, err := nextRow(p)
		if err != nil {
			return "", fmt.Errorf("provider: %w", err)
		}
		sKey, sRow, sOK, err := nextRow(q)
		if err != nil {
			return "", fmt.Errorf("subscriber: %w", err)
		}
		switch {
		case !pOK && !sOK:
			return "no row differs any more (the tables are being written)", nil
		case !pOK:
			return fmt.Sprintf("first of the rows only at the subscriber: key %s, row %s", sKey, sRow), nil
		case !sOK:
			return fmt.Sprintf("first of the rows only at the provider: key %s, row %s", pKey, pRow), nil
		case pKey != sKey || pRow != sRow:
			return fmt.Sprintf("first difference:\n  provider:   key %s, row %s\n  subscriber: key %s, row %s", pKey, pRow, sKey, sRow), nil
		}
	}
}

func nextRow(rows pgx.Rows) (key, row string, ok bool, err error) {
	if !rows.Next() {
		return "", "", false, rows.Err()
	}
	return key, row, true, rows.Scan(&key, &row)
}

// CompareSequences fails the test unless each sequence stands at the same
// value on both sides.
func CompareSequences(t testing.TB, providerDSN, subscriberDSN string, sequences ...string) {
	t.Helper()
	ctx := context.Background()
	p, s := ConnectPinned(t, providerDSN), ConnectPinned(t, subscriberDSN)
	defer p.Close(ctx)
	defer s.Close(ctx)
	for _, seq := range sequences {
		name, err := ident.Parse(seq)
		if err != nil {
			t.Fatalf("compare sequence %s: %v", seq, err)
		}
		read := func(side string, conn *pgx.Conn) (state string) {
			sql := "select format('last_value %s, is_called %s', last_value, is_called) from " + name.SQL()
			if err := conn.QueryRow(ctx, sql).Scan(&state); err != nil {
				t.Fatalf("compare sequence %s: %s: %v", seq, side, err)
			}
			return state
		}
		if a, b := read("provider", p), read("subscriber", s); a != b {
			t.Errorf("sequence %s: %s at the provider, %s at the subscriber", seq, a, b)
		}
	}
}
