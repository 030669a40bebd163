package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// Types of initdb have the same number on all servers.
const (
	typeInt8        = 20
	typeInt2        = 21
	typeInt4        = 23
	typeText        = 25
	typeBpchar      = 1042
	typeVarchar     = 1043
	typeTimestamp   = 1114
	typeTimestamptz = 1184
	typeUUID        = 2950
	typeJSONB       = 3802
	firstUserType   = 16384
)

// column is one that both ends have.
type column struct {
	name     string
	types    [2]uint32 // below domains; of the provider, of the subscriber
	nullable bool      // at either end
	sorted   bool      // the ends write it in orders of their own
}

// plan is what of two tables is compared, and how.
type plan struct {
	columns []column // in the order of their names
	key     []int    // indexes in columns; none: whole rows are compared
	secrets
	portable bool // by md5
	convert  bool // the servers' encodings differ
}

// secrets are drawn anew each time.
type secrets struct {
	seed int64
	null string // text that stands for NULL
	int  int32  // number that does
	uuid string
}

// match pairs the columns of two tables. Those generated at the subscriber are
// its own affair, as they are in replication.
func match(p, s *relation, key []string) (*plan, []string, error) {
	var pl plan
	var notes []string
	for _, a := range p.columns {
		i := slices.IndexFunc(s.columns, func(b attribute) bool { return b.name == a.name })
		switch {
		case a.virtual:
			notes = append(notes, fmt.Sprintf("column %s is not stored at the provider, and not compared", ident.Quote(a.name)))
		case i < 0:
			notes = append(notes, missingColumn(a.name, "subscriber"))
		case s.columns[i].generated:
			notes = append(notes, fmt.Sprintf("column %s is generated at the subscriber, and not compared", ident.Quote(a.name)))
		default:
			pl.columns = append(pl.columns, column{
				a.name, [2]uint32{a.base, s.columns[i].base}, !a.notNull || !s.columns[i].notNull, false,
			})
		}
	}
	for _, b := range s.columns {
		if !slices.ContainsFunc(p.columns, func(a attribute) bool { return a.name == b.name }) {
			notes = append(notes, missingColumn(b.name, "provider"))
		}
	}
	slices.SortFunc(pl.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	if len(pl.columns) == 0 {
		return nil, nil, fmt.Errorf("the tables have no column in common")
	}
	for _, k := range key {
		i := slices.IndexFunc(pl.columns, func(c column) bool { return c.name == k })
		if i < 0 {
			return nil, nil, fmt.Errorf("column %s of the key is not at both ends", ident.Quote(k))
		}
		pl.key = append(pl.key, i)
	}
	return &pl, notes, nil
}

func missingColumn(name, side string) string {
	return fmt.Sprintf("column %s does not exist at the %s", ident.Quote(name), side)
}

// alias is the table's in all statements.
const alias = "skytools_r"

// text is a column's value as its output function writes it, for one end. A
// cast to text does the same for types of the server but bpchar, whose cast
// drops blanks; those of users may have a cast of their own.
func (c column) text(end int) string {
	v := alias + "." + ident.Quote(c.name)
	switch t := c.types[end]; {
	case c.sorted:
		return "case when octet_length(convert_to((" + v + ")::text, 'UTF8')) = length((" + v + ")::text) then (" + v + ")::text else (" +
			strings.ReplaceAll(sortedJSON, "$1", v) + ") end"
	case t == typeBpchar || t >= firstUserType:
		return "case when num_nonnulls(" + v + ") = 1 then concat(" + v + ") end"
	default:
		return "(" + v + ")::text"
	}
}

// sortedJSON is all that a jsonb value $1 holds, each with the way to it, in one
// order at all servers: they sort keys by their bytes, which encodings differ in.
const sortedJSON = `with recursive w (way, v) as (
		select '$'::text, ($1)::jsonb
		union all
		select w.way || s.step, s.v from w cross join lateral (
			select '.' || to_json(e.key)::text, e.value
			from jsonb_each(case jsonb_typeof(w.v) when 'object' then w.v else '{}' end) e
			union all
			select '[' || a.nr::text || ']', a.value
			from jsonb_array_elements(case jsonb_typeof(w.v) when 'array' then w.v else '[]' end) with ordinality a (value, nr)) s (step, v))
	select string_agg(w.way || ' = ' || case jsonb_typeof(w.v) when 'object' then '{}' when 'array' then '[]' else w.v::text end,
		', ' order by convert_to(w.way, 'UTF8')) from w`

// sortJSON marks columns that the ends write in another order each. A key is left as
// it is, for its text names the row.
func (p *plan) sortJSON() {
	for i := range p.columns {
		c := &p.columns[i]
		c.sorted = p.convert && c.types == [2]uint32{typeJSONB, typeJSONB} && !slices.Contains(p.key, i)
	}
}

// chain adds a column to the hash h.
func (p *plan) chain(c column, end int, h string) string {
	v := alias + "." + ident.Quote(c.name)
	kind := c.types[0]
	if c.types[1] != kind {
		kind = 0
	}
	number := func(v string) string {
		if c.nullable {
			return fmt.Sprintf("coalesce(%s, %d)", v, p.int)
		}
		return v
	}
	text := func(v string) string {
		if c.nullable {
			v = fmt.Sprintf("coalesce(%s, '%s')", v, p.null)
		}
		if p.convert {
			v = fmt.Sprintf("encode(convert_to(%s, 'UTF8'), 'hex')", v)
		}
		return fmt.Sprintf(`hashtextextended(%s collate "C", %s)`, v, h)
	}
	switch kind {
	case typeInt2, typeInt4:
		return fmt.Sprintf("hashint4extended(%s, %s)", number("("+v+")::int4"), h)
	case typeInt8:
		// hashint8extended folds the two halves into one before it hashes.
		n := number(v)
		return fmt.Sprintf("hashint4extended((%s >> 32)::int4, hashint8extended(%s, %s))", n, n, h)
	case typeUUID:
		if c.nullable {
			v = fmt.Sprintf("coalesce(%s, '%s'::uuid)", v, p.uuid)
		}
		return fmt.Sprintf("uuid_hash_extended(%s, %s)", v, h)
	case typeTimestamptz:
		return text("encode(timestamptz_send(" + v + "), 'hex')")
	case typeTimestamp:
		return text("encode(timestamp_send(" + v + "), 'hex')")
	case typeText, typeVarchar:
		return text("(" + v + ")::text")
	}
	return text(c.text(end))
}

// numbers are the nullable columns whose NULL is told by a number, which some
// row may hold.
func (c column) number() bool {
	return c.nullable && c.types[0] == c.types[1] && (c.types[0] == typeInt2 || c.types[0] == typeInt4 || c.types[0] == typeInt8)
}

// deep is how many columns are hashed in one chain: the server's parser goes
// down into it.
const deep = 90

// hash is the hash of some columns of a row.
func (p *plan) hash(columns []column, end int, seed int64) string {
	if p.portable {
		return p.digest(columns, end, seed)
	}
	if len(columns) > deep {
		var parts []string
		for some := range slices.Chunk(columns, deep) {
			parts = append(parts, p.hash(some, end, seed+int64(len(parts))))
		}
		return fmt.Sprintf("hashtextextended(concat_ws(' ', %s), %d)", strings.Join(parts, ", "), seed)
	}
	h := fmt.Sprintf("%d::bigint", seed)
	var nulls []string
	for _, c := range columns {
		h = p.chain(c, end, h)
		if c.number() {
			nulls = append(nulls, alias+"."+ident.Quote(c.name))
		}
	}
	if len(nulls) > 0 {
		h = fmt.Sprintf("hashint4extended(num_nulls(%s), %s)", strings.Join(nulls, ", "), h)
	}
	return h
}

// digest tells where one value ends and the next begins by their lengths.
func (p *plan) digest(columns []column, end int, seed int64) string {
	list := []string{fmt.Sprintf("'%d'", seed)}
	for _, c := range columns {
		t := c.text(end)
		list = append(list, fmt.Sprintf("coalesce(length(%s) || ':' || %s, 'null')", t, t))
	}
	all := strings.Join(list, " || ' ' || ")
	if p.convert {
		all = fmt.Sprintf("encode(convert_to(%s, 'UTF8'), 'hex')", all)
	}
	return fmt.Sprintf("('x' || left(md5(%s), 16))::bit(64)::bigint", all)
}

// row is the hash of a whole row.
func (p *plan) row(end int) string { return p.hash(p.columns, end, p.seed) }

// place is the hash of a row's key, by which its bucket is found; without a
// key that of the row.
func (p *plan) place(end int) string {
	if len(p.key) == 0 {
		return p.row(end)
	}
	var key []column
	for _, i := range p.key {
		key = append(key, p.columns[i])
	}
	return p.hash(key, end, p.seed^0x5bd1e995)
}

// canary hashes values of all kinds that chain uses.
const canary = `select hashint4extended(0, 1) || ' ' || hashint4extended(-2147483648, -7) || ' ' || hashint8extended(4294967296, 77)
	|| ' ' || hashint8extended(-1234567890123, -77) || ' ' || uuid_hash_extended('01234567-89ab-cdef-0123-456789abcdef', 12345678901)
	|| ' ' || (select string_agg(hashtextextended(left('The quick brown fox jumps over the lazy dog, and runs away again' collate "C", n), n * 7777777777)::text, ' ')
		from generate_series(0, 60) n)`
