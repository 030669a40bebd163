package structure

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
)

// DB is a connection, or a transaction of the caller's.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Structure is what one end's catalogue says of some tables.
type Structure struct {
	Version int // the server's major version
	Tables  map[ident.Name]*Table

	rules     []rule
	parts     []*Part // parents before their partitions and heirs
	byKey     map[string]*Part
	sequences map[ident.Name]bool // by their own names; in byKey that of an identity column is under its column
	order     []ident.Name        // of the tables
	asked     want                // by the caller
	want      want                // with what the parts need
}

// want is what is asked for: tables by the caller, and what a provider's
// tables need by comparison, to be found at the subscriber though nothing
// there uses it yet.
type want struct {
	tables, sequences, types, collations []ident.Name
	schemas                              []string
}

// settings make equal things equal texts. Definitions hold constants, whose
// text hangs on them. Compiling these queries would take longer than they do.
const settings = `select set_config('search_path', 'pg_catalog', true), set_config('quote_all_identifiers', 'off', true),
	set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true), set_config('TimeZone', 'UTC', true),
	set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true),
	set_config('standard_conforming_strings', 'on', true), set_config('jit', 'off', true)`

// Read reads the named tables with all partitions, and the named sequences.
// What does not exist is missing from the result.
func Read(ctx context.Context, db DB, tables, sequences []ident.Name) (*Structure, error) {
	var s *Structure
	err := readOnly(ctx, db, func(tx pgx.Tx) (err error) {
		s, err = read(ctx, tx, want{tables: tables, sequences: sequences})
		return err
	})
	return s, err
}

// readOnly runs fn under the settings, which are gone afterwards, also where
// the caller's transaction goes on.
func readOnly(ctx context.Context, db DB, fn func(tx pgx.Tx) error) error {
	var tx pgx.Tx
	var err error
	if conn, ok := db.(*pgx.Conn); ok {
		tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	} else {
		tx, err = db.Begin(ctx)
	}
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, settings); err != nil {
		return err
	}
	return fn(tx)
}

// reader holds what the queries have in common.
type reader struct {
	tx      pgx.Tx
	version int
	want    want

	rels  []*relation
	byOID map[uint32]*relation
	oids  []uint32 // of rels
	deps  dependences

	types map[uint32]*typ
	// made are the catalogue addresses of what parts make: no need of another.
	made map[address]bool

	schemas map[string]bool // that hold something made
	parts   []*Part
	rules   []rule
}

// address is where the catalogue keeps an object.
type address struct {
	class string // pg_class, pg_constraint, …
	oid   uint32
}

func read(ctx context.Context, tx pgx.Tx, w want) (*Structure, error) {
	r := &reader{
		tx: tx, want: w, byOID: map[uint32]*relation{}, types: map[uint32]*typ{},
		made: map[address]bool{}, schemas: map[string]bool{},
	}
	err := tx.QueryRow(ctx, "select current_setting('server_version_num')::int / 10000").Scan(&r.version)
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"tables", r.relations},
		{"columns", r.columns},
		{"keys", r.keys},
		{"types", r.readTypes},
		{"collations", r.collations},
		{"dependences", r.dependences},
		{"domains", r.typeParts},
		{"sequences", r.sequences},
		{"constraints", r.constraints},
		{"indexes", r.indexes},
		{"statistics", r.statistics},
		{"policies", r.policies},
		{"triggers", r.triggers},
		{"rules", r.readRules},
		{"schemas", r.readSchemas},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	return r.finish(), nil
}

func (r *reader) finish() *Structure {
	s := &Structure{Version: r.version, Tables: map[ident.Name]*Table{}, byKey: map[string]*Part{}, sequences: map[ident.Name]bool{}, asked: r.want}
	s.want = want{
		slices.Clone(r.want.tables), slices.Clone(r.want.sequences), slices.Clone(r.want.types),
		slices.Clone(r.want.collations), slices.Clone(r.want.schemas),
	}
	for _, rel := range r.rels {
		s.Tables[rel.Name] = &rel.Table
		s.order = append(s.order, rel.Name)
		if rel.isTable() {
			r.parts = append(r.parts, r.tablePart(rel))
			for _, c := range rel.columns {
				r.parts = append(r.parts, r.columnPart(rel, c))
			}
		}
	}
	rank := func(p *Part) int {
		if p.Kind == Sequence && !p.shared {
			return slices.Index(kinds, Column) // an identity column's
		}
		return slices.Index(kinds, p.Kind)
	}
	place := map[ident.Name]int{}
	for i, n := range s.order {
		place[n] = i + 1
	}
	slices.SortStableFunc(r.parts, func(a, b *Part) int {
		return cmp.Or(cmp.Compare(place[a.Table], place[b.Table]), cmp.Compare(rank(a), rank(b)))
	})
	s.parts, s.rules = r.parts, r.rules
	for _, p := range s.parts {
		s.byKey[p.id()] = p
		if p.Kind == Sequence {
			s.sequences[p.full] = true
		}
		s.want.note(p)
	}
	return s
}

// kinds in the order in which they are told.
var kinds = []Kind{Schema, Collation, Type, Sequence, Relation, Column, Constraint, Index, Statistics, Policy, Trigger}

// note adds a shared part to what is to be looked for elsewhere.
func (w *want) note(p *Part) {
	if p.Kind == Relation && !slices.Contains(w.tables, p.Table) {
		w.tables = append(w.tables, p.Table)
	}
	if !p.shared {
		return
	}
	add := func(list *[]ident.Name) {
		if !slices.Contains(*list, p.full) {
			*list = append(*list, p.full)
		}
	}
	switch p.Kind {
	case Schema:
		if !slices.Contains(w.schemas, p.Name) {
			w.schemas = append(w.schemas, p.Name)
		}
	case Type:
		add(&w.types)
	case Collation:
		add(&w.collations)
	case Sequence:
		add(&w.sequences)
	}
}

// split takes names apart for two text[] parameters.
func split(names []ident.Name) (schemas, rels []string) {
	schemas, rels = []string{}, []string{}
	for _, n := range names {
		schemas = append(schemas, n.Schema)
		rels = append(rels, n.Name)
	}
	return schemas, rels
}

// list runs a query with one row a T, by the order of its fields.
func list[T any](ctx context.Context, r *reader, sql string, args ...any) ([]T, error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
