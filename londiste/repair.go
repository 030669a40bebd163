package londiste

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/compare"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// repairKeys is how many rows are told again under one lock.
const repairKeys = 500

// Repair compares tables, as Compare does, and has the rows that differ told
// once more by the provider, through the queue: so every subscriber gets them
// in their order, and each as it is by then, whatever has happened to it since
// the comparison. Where nothing is to be applied it calls print with the
// statements instead that would do it here now.
func (b *Subscriber) Repair(ctx context.Context, sel Selection, o CompareOptions, apply bool, print func(statement string) error, done func(Comparison, int64) error) error {
	var prov *pgx.Conn
	defer set.CloseConn(&prov)
	err := o.reach(ctx, func(ctx context.Context) (err error) {
		if prov, err = b.ConnectProvider(ctx); err != nil {
			return err
		}
		if err := set.PrepareProvider(ctx, prov); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var found []RowDifference
	o.CountOnly = false
	o.Each = func(table ident.Name, d RowDifference) error {
		if len(d.Key) == 0 {
			return hint.With(fmt.Errorf("table %s has no key: its rows cannot be told apart", table), "londiste INI subscriber resync %s", hint.Shell(table.String()))
		}
		for i := range d.Values { // which columns differ is kept, their values are read anew
			d.Values[i].Provider, d.Values[i].Subscriber = nil, nil
		}
		found = append(found, d)
		return nil
	}
	o.Again = func() error {
		found = nil
		return nil
	}
	return b.Compare(ctx, sel, o, func(c Comparison) error {
		var told int64
		rows := found
		found = nil
		if len(c.Shared) > 0 { // an extra row told as gone would be deleted, whosever it is
			rows = slices.DeleteFunc(rows, func(d RowDifference) bool { return d.Kind == RowExtra })
		}
		if len(rows) > 0 {
			var err error
			if told, err = b.mend(ctx, prov, c.Table, rows, apply, print); err != nil {
				return fmt.Errorf("table %s: %w", c.Table, err)
			}
		}
		return done(c, told)
	})
}

// repairSide is a table at one side, as statements there need it.
type repairSide struct {
	conn    *pgx.Conn
	name    ident.Name
	columns []string // that can be read at the provider, written at the subscriber
	only    string   // "only " where the table's own rows are meant
	always  []string // identity columns that draw their values themselves, unless told not to
}

// mend has rows of a table told once more, or prints the statements that mend them.
func (b *Subscriber) mend(ctx context.Context, prov *pgx.Conn, name ident.Name, rows []RowDifference, apply bool, print func(string) error) (told int64, err error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return 0, err
	}
	defer s.close()
	if err := set.PrepareProvider(ctx, s.conn); err != nil { // as text, values are the same at both sides
		return 0, fmt.Errorf("subscriber: %w", err)
	}
	here, there := repairSide{conn: s.conn}, repairSide{conn: prov}
	for _, side := range []struct {
		table *repairSide
		left  string // kinds of generated columns that are left out
	}{{&here, "sv"}, {&there, "v"}} {
		t, found, err := set.OneTable(ctx, side.table.conn, b.Queue, name)
		if err == nil && !found {
			err = errors.New("it left the set meanwhile")
		}
		if err == nil {
			err = side.table.read(ctx, t.Dest, side.left)
		}
		if err != nil {
			return 0, err
		}
	}
	if apply {
		return b.tellAgain(ctx, prov, there.name, rows)
	}
	return 0, writeStatements(ctx, there, here, rows, print)
}

func (r *repairSide) read(ctx context.Context, name ident.Name, left string) error {
	r.name = name
	err := r.conn.QueryRow(ctx, `
		select case c.relkind when 'p' then '' else 'only ' end,
			coalesce(array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '' or strpos($3, a.attgenerated::text) = 0), '{}'),
			coalesce(array_agg(a.attname::text) filter (where a.attidentity = 'a'), '{}')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
			left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')
		group by c.relkind`, name.Schema, name.Name, left).Scan(&r.only, &r.columns, &r.always)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("table %s does not exist any more", name)
	}
	return err
}

// tellAgain has rows told once more, some at a time. A writer that holds a row
// is not waited for for long, because everybody else would wait behind us.
func (b *Subscriber) tellAgain(ctx context.Context, prov *pgx.Conn, table ident.Name, rows []RowDifference) (told int64, err error) {
	for len(rows) > 0 {
		n := min(len(rows), repairKeys)
		keys := make([]map[string]*string, n)
		for i, r := range rows[:n] {
			keys[i] = map[string]*string{}
			for _, k := range r.Key {
				keys[i][k.Column] = k.Value
			}
		}
		text, err := json.Marshal(keys)
		if err != nil {
			return told, err
		}
		events, err := b.tellSome(ctx, prov, table, string(text))
		if err != nil {
			return told, err
		}
		told, rows = told+events, rows[n:]
	}
	return told, nil
}

func (b *Subscriber) tellSome(ctx context.Context, prov *pgx.Conn, table ident.Name, keys string) (events int64, err error) {
	for deadline := time.Now().Add(b.LockWait()); ; {
		err = set.InTx(ctx, prov, failpoint.Repair, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select set_config('lock_timeout', $1, true)", millis(min(shortLock, b.LockWait()))); err != nil {
				return err
			}
			return tx.QueryRow(ctx, "select skytools.repair_emit($1, $2, $3, $4::text::jsonb)", b.Queue, table.Schema, table.Name, keys).Scan(&events)
		})
		switch {
		case !lockFailed(err):
			return events, err
		case time.Now().After(deadline):
			return 0, hint.With(fmt.Errorf("the provider's table is being written by a transaction that does not end: gave up after %s", b.LockWait()),
				"end that transaction, or raise lock_timeout in the ini")
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(shortLock/2 + rand.N(shortLock)):
		}
	}
}

// writeStatements prints what would make rows at the subscriber what they are
// at the provider now. Either of the two may be partitioned.
func writeStatements(ctx context.Context, there, here repairSide, rows []RowDifference, print func(string) error) error {
	columns := slices.DeleteFunc(slices.Clone(there.columns), func(c string) bool { return !slices.Contains(here.columns, c) })
	others, err := otherTexts(ctx, here, rows)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	for _, r := range rows {
		if r.Kind == RowExtra && others[keyCondition(r)] {
			continue // its row becomes one that is missing
		}
		where := keyCondition(r)
		values, found, err := there.values(ctx, columns, where)
		var statement string
		switch {
		case err != nil:
			return fmt.Errorf("provider: %w", err)
		case !found && r.Kind == RowMissing:
			continue // gone meanwhile
		case !found:
			statement = fmt.Sprintf("delete from %s where %s;", here.sql(), where)
		case r.Kind == RowMissing && !others[where]:
			statement = insertStatement(here, columns, values)
		default:
			statement = updateStatement(here, columns, values, where, r)
		}
		if statement == "" {
			continue
		}
		if err := print(statement); err != nil {
			return err
		}
	}
	return nil
}

// otherTexts finds rows that are missing and, by their key, are not: the
// subscriber has one of an equal key with another text, 1.0 for 1.00 say, which
// counts as extra. It returns the conditions of either.
func otherTexts(ctx context.Context, here repairSide, rows []RowDifference) (map[string]bool, error) {
	found := map[string]bool{}
	for _, r := range rows {
		if r.Kind != RowMissing {
			continue
		}
		key := make([]string, len(r.Key))
		for i, k := range r.Key {
			key[i] = k.Column
		}
		where := keyCondition(r)
		values, is, err := here.values(ctx, key, where)
		if err != nil {
			return nil, err
		}
		if !is {
			continue
		}
		other := RowDifference{}
		for i, c := range key {
			other.Key = append(other.Key, compare.KeyPart{Column: c, Value: values[i]})
		}
		found[where], found[keyCondition(other)] = true, true
	}
	return found, nil
}

// values reads columns, as text, of the row for which a condition is true.
func (r *repairSide) values(ctx context.Context, columns []string, where string) (values []*string, found bool, err error) {
	list := make([]string, len(columns))
	for i, c := range columns {
		// concat calls the type's output function and nothing of its owner's.
		list[i] = fmt.Sprintf("case when num_nonnulls(%[1]s) operator(pg_catalog.=) 1 then concat(%[1]s) end", ident.Quote(c))
	}
	err = r.conn.QueryRow(ctx, fmt.Sprintf("select array[%s] from %s where %s", strings.Join(list, ", "), r.sql(), where)).Scan(&values)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return values, err == nil, err
}

// sql is the table where rows of it are looked for.
func (r *repairSide) sql() string { return r.only + r.name.SQL() }

func keyCondition(r RowDifference) string {
	var parts []string
	for _, k := range r.Key {
		if k.Value == nil {
			parts = append(parts, ident.Quote(k.Column)+" is null")
			continue
		}
		parts = append(parts, ident.Quote(k.Column)+" = "+ident.Literal(*k.Value))
	}
	return strings.Join(parts, " and ")
}

func literalOf(v *string) string {
	if v == nil {
		return "null"
	}
	return ident.Literal(*v)
}

func insertStatement(here repairSide, columns []string, values []*string) string {
	var names, texts []string
	for i, c := range columns {
		names, texts = append(names, ident.Quote(c)), append(texts, literalOf(values[i]))
	}
	overriding := ""
	if len(here.always) > 0 {
		overriding = "overriding system value "
	}
	return fmt.Sprintf("insert into %s (%s) %svalues (%s);", here.name.SQL(), strings.Join(names, ", "), overriding, strings.Join(texts, ", "))
}

// updateStatement sets the columns that differ, of an extra row all: by now
// the provider has it. An identity column that is always generated cannot be set,
// so where one differs, or may, the row is made anew: two statements, which
// belong into one transaction. "": there is nothing to set.
func updateStatement(here repairSide, columns []string, values []*string, where string, r RowDifference) string {
	differ := map[string]bool{}
	for _, v := range r.Values {
		differ[v.Column] = true
	}
	var set []string
	for i, c := range columns {
		if !differ[c] && len(differ) > 0 {
			continue
		}
		if !slices.Contains(here.always, c) {
			set = append(set, ident.Quote(c)+" = "+literalOf(values[i]))
		} else if !slices.ContainsFunc(r.Key, func(k compare.KeyPart) bool { return k.Column == c }) {
			return fmt.Sprintf("delete from %s where %s; %s", here.sql(), where, insertStatement(here, columns, values))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return fmt.Sprintf("update %s set %s where %s;", here.sql(), strings.Join(set, ", "), where)
}
