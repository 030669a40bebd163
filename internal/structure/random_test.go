package structure_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// world makes statements for random tables over all that the package knows.
type world struct {
	*rand.Rand
	version int
	schemas []string
	types   []string // made here, with those of the server
	tables  []*randomTable
	sql     []string
	objects []string // schemas, types and collations as drop names them
	n       int      // names made so far
}

type randomTable struct {
	draws       bool // a column has the numbers of a sequence for default
	name        ident.Name
	columns     []randomColumn
	partitioned bool
	child       bool
}

type randomColumn struct {
	name, typ string
	key       bool
	plain     bool // neither generated nor identity
}

// values are constants by type, for defaults and checks.
var values = map[string][]string{
	"integer": {"7", "-1", "length('abc'::text)"}, "bigint": {"7", "9000000000"}, "smallint": {"3"},
	"text": {"'x'", "'it''s \\ a'", "CURRENT_USER"}, "character varying(20)": {"'v'"}, "character(5)": {"'c'"},
	"numeric(10,2)": {"1.50"}, "double precision": {"'NaN'", "0.1", "1e300"}, "real": {"0.25"}, "boolean": {"true"},
	"timestamp with time zone": {"now()", "'2024-02-29 12:00+02'"}, "timestamp(3) without time zone": {"'2024-02-29 12:00:00.5'"},
	"date": {"CURRENT_DATE", "'0044-03-15 BC'"}, "interval": {"'1 year 2 days'", "'-1:30'"}, "time with time zone": {"'12:00+01'"},
	"jsonb": {"'{\"a\": [1, null]}'"}, "bytea": {"'\\x00ff'"}, "uuid": {"gen_random_uuid()"}, "inet": {"'10.0.0.1/8'"},
	"integer[]": {"'{1,NULL,3}'"}, "text[]": {"ARRAY['a', 'b,c']"}, "int4range": {"'[1,5)'"}, "tsvector": {"'a b'"}, "bit varying(8)": {"B'101'"},
	"money": {"12.34::money"}, "oid": {"5"}, "xml": nil, "point": {"'(1,2)'"}, "numeric": {"1e100"}, "\"char\"": {"'c'"}, "name": {"'n'"},
	"character varying": {"'w'"}, "timestamp(0) with time zone": {"'epoch'"}, "interval day to second(2)": {"'1 2:03:04.56'"}, "bit(3)": {"B'101'"},
	"daterange[]": {"'{}'"}, "json": {"'{}'"}, "numeric(5,0)[]": {"'{{1,2},{3,4}}'"}, "macaddr": nil, "time(1) without time zone": {"LOCALTIME"},
}

var baseTypes = []string{
	"integer", "bigint", "smallint", "text", "character varying(20)", "character(5)", "numeric(10,2)", "double precision", "real", "boolean",
	"timestamp with time zone", "timestamp(3) without time zone", "date", "interval", "time with time zone", "jsonb", "bytea", "uuid", "inet",
	"integer[]", "text[]", "int4range", "tsvector", "bit varying(8)", "money", "oid", "xml", "point",
	"numeric", "\"char\"", "name", "character varying", "timestamp(0) with time zone", "interval day to second(2)", "bit(3)", "daterange[]", "json",
	"numeric(5,0)[]", "macaddr", "time(1) without time zone",
}

// functionsSQL are at both ends before any table is: functions are nobody's
// structure.
const functionsSQL = `
	create schema fn;
	create function fn.twice(integer) returns integer language sql immutable as 'select 2 * $1';
	create function fn.next_label() returns text language sql as $$select 'l'$$;
	create function fn.note() returns trigger language plpgsql as $$begin return new; end$$;
	create function fn."Note It"() returns trigger language plpgsql as $$begin return null; end$$;
	create function fn."Is Fine"(text) returns boolean language sql immutable as 'select length($1) < 1000'`

func newWorld(seed uint64, version int) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), version: version}
	w.schemas = []string{"public", "s2", `My "Schema".x`}
	for _, s := range w.schemas[1:] {
		w.run("create schema %s", ident.Quote(s))
		w.objects = append(w.objects, "schema "+ident.Quote(s))
		w.run("grant create, usage on schema %s to struct_owner", ident.Quote(s))
	}
	w.makeTypes()
	for range 2 + w.IntN(3) {
		w.table()
	}
	if w.chance(3) {
		w.partitions()
	}
	if w.chance(3) {
		w.listed()
	}
	if w.chance(3) {
		w.heir()
	}
	for range 2 + w.IntN(4) {
		w.foreignKey(pick(w, w.tables), pick(w, w.tables))
	}
	return w
}

func (w *world) run(format string, args ...any) { w.sql = append(w.sql, fmt.Sprintf(format, args...)) }
func (w *world) chance(oneIn int) bool          { return w.IntN(oneIn) == 0 }

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

// fresh is a name nobody has, now and then an ugly one.
func (w *world) fresh(kind string) string {
	w.n++
	name := fmt.Sprintf("%s%d", kind, w.n)
	switch w.IntN(8) {
	case 0:
		name = strings.ToUpper(name) + " x"
	case 1:
		name += `"q'`
	case 2:
		name += "ä.ö"
	case 3:
		name += "$" + strings.Repeat("long", 8)
	case 4:
		return w.longName(kind)
	}
	return name
}

func (w *world) place(kind string) ident.Name {
	return ident.Name{Schema: pick(w, w.schemas), Name: w.fresh(kind)}
}

func (w *world) makeTypes() {
	coll := w.place("coll")
	w.run("create collation %s (provider = libc, locale = 'C')", coll.SQL())
	w.objects = append(w.objects, "collation "+coll.SQL())
	if w.chance(2) {
		w.run("comment on collation %s is 'plain'", coll.SQL())
	}
	mood := w.place("mood")
	w.run(`create type %s as enum ('sad', 'o''k', 'back\slash', 'happy')`, mood.SQL())
	w.named("type", mood, "'sad'")
	pair := w.place("pair")
	w.run("create type %s as (a integer, \"B b\" %s, c text collate %s)", pair.SQL(), mood.SQL(), coll.SQL())
	w.named("type", pair)
	dom := w.place("dom")
	w.run("create domain %s as text collate %s default 'd' constraint %s check (value <> 'bad') constraint ok2 check (fn.\"Is Fine\"(value))",
		dom.SQL(), coll.SQL(), ident.Quote(w.fresh("dc")))
	w.named("domain", dom, "'dd'")
	over := w.place("over")
	w.run("create domain %s as %s not null", over.SQL(), dom.SQL())
	w.named("domain", over, "'oo'")
	span := w.place("span")
	w.run("create type %s as range (subtype = double precision, subtype_diff = float8mi)", span.SQL())
	w.named("type", span, "'[1,2)'")
	list := w.place("dlist")
	w.run("create domain %s as %s[] check (array_length(value, 1) < 9)", list.SQL(), mood.SQL())
	w.named("domain", list)
	w.types = append(w.types, mood.SQL()+"[]", pair.SQL()+"[]")
}

// named takes up a type, and decorates it.
func (w *world) named(kind string, name ident.Name, defaults ...string) {
	w.types = append(w.types, name.SQL())
	w.objects = append(w.objects, kind+" "+name.SQL())
	values[name.SQL()] = defaults
	if w.chance(3) {
		w.run("comment on %s %s is 'a type''s \\ comment'", kind, name.SQL())
	}
	if w.chance(4) {
		w.run("revoke all on type %s from public", name.SQL())
	}
	if w.chance(4) {
		w.run("grant usage on type %s to struct_reader", name.SQL())
	}
}

func (w *world) typ() string {
	if w.chance(3) {
		return pick(w, w.types)
	}
	return pick(w, baseTypes)
}

func (w *world) table() {
	t := &randomTable{name: w.tableName()}
	kind, lines := "table", []string{w.keyColumn(t)}
	if w.chance(6) {
		kind = "unlogged table"
	}
	for range 2 + w.IntN(6) {
		lines = append(lines, w.column(t))
	}
	w.run("create %s %s (%s)%s", kind, t.name.SQL(), strings.Join(lines, ", "), pick(w, []string{
		"", "", " with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 77)",
	}))
	w.tables = append(w.tables, t)
	w.run("alter table %s add constraint %s primary key (%s)%s", t.name.SQL(), ident.Quote(w.fresh("pk")),
		ident.Quote(t.columns[0].name), pick(w, []string{"", "", " with (fillfactor = 60)"}))
	w.decorate(t, 6)
	for range 4 {
		w.more(t)
	}
}

func (w *world) keyColumn(t *randomTable) string {
	name := w.fresh("id")
	typ := pick(w, []string{
		"integer", "bigint", "serial", "bigserial", "smallserial",
		"integer generated always as identity", "bigint generated by default as identity (start 5 increment 5 cache 3)",
	})
	t.columns = append(t.columns, randomColumn{name: name, typ: "integer", key: true})
	if strings.HasPrefix(typ, "big") {
		t.columns[0].typ = "bigint"
	}
	if typ == "smallserial" {
		t.columns[0].typ = "smallint"
	}
	return ident.Quote(name) + " " + typ
}

// column is a line of a create statement, or what follows add column.
func (w *world) column(t *randomTable) string {
	name := w.fresh("c")
	q := ident.Quote(name)
	if i := w.plainInteger(t); i >= 0 && w.chance(6) {
		t.columns = append(t.columns, randomColumn{name: name, typ: "integer"})
		virtual := "stored"
		if w.version >= 18 && w.chance(2) {
			return q + fmt.Sprintf(" integer generated always as (%s + 1) virtual", ident.Quote(t.columns[i].name))
		}
		return q + fmt.Sprintf(" integer generated always as (fn.twice(%s)) %s", ident.Quote(t.columns[i].name), virtual)
	}
	typ := w.typ()
	line := q + " " + typ
	if typ == "text" && w.chance(3) {
		line += ` collate "C"`
	}
	if v := values[typ]; len(v) > 0 && w.chance(3) {
		line += " default " + pick(w, v)
		if w.chance(2) {
			line += " not null"
		}
	}
	if typ == "text" && w.chance(3) && !strings.Contains(line, "default") {
		line += " default fn.next_label()"
	}
	t.columns = append(t.columns, randomColumn{name: name, typ: typ, plain: true})
	return line
}

func (w *world) plainInteger(t *randomTable) int {
	for i, c := range t.columns {
		if c.plain && c.typ == "integer" {
			return i
		}
	}
	return -1
}

func (t *randomTable) of(types ...string) []randomColumn {
	var found []randomColumn
	for _, c := range t.columns {
		for _, typ := range types {
			if c.typ == typ && c.plain {
				found = append(found, c)
			}
		}
	}
	return found
}

var ordered = []string{"integer", "bigint", "smallint", "text", "character varying(20)", "numeric(10,2)", "date", "boolean", "uuid", "timestamp with time zone"}

// decorate hangs some things on a table; each is a change by itself too.
func (w *world) decorate(t *randomTable, times int) {
	for range times {
		w.sql = append(w.sql, w.decoration(t)...)
	}
}

func (w *world) decoration(t *randomTable) []string {
	from := len(w.sql)
	defer func() { w.sql = w.sql[:from] }()
	col := pick(w, t.columns)
	table, q := t.name.SQL(), ident.Quote(col.name)
	sortable := append(t.of(ordered...), t.columns[0])
	a, b := ident.Quote(pick(w, sortable).name), ident.Quote(pick(w, sortable).name)
	switch w.IntN(22) {
	case 0:
		w.run("comment on table %s is 'It''s a \\ table'", table)
	case 1:
		w.run("comment on column %s.%s is 'col'", table, q)
	case 2:
		w.run("grant select, insert on %s to struct_reader", table)
		w.run("grant update (%s), select on %s to \"Struct Writer\" with grant option", q, table)
	case 3:
		w.run("grant select (%s) on %s to public", q, table)
	case 4:
		w.run("create index %s on %s (%s desc nulls last)", ident.Quote(w.fresh("i")), table, a)
	case 5:
		w.run("create unique index %s on %s (%s) include (%s) where %s is not null", ident.Quote(w.fresh("u")), table, a, q, b)
	case 6:
		if c := t.of("text"); len(c) > 0 {
			n := ident.Quote(c[0].name)
			name := ident.Name{Schema: t.name.Schema, Name: w.fresh("x")}
			w.run(`create index %s on %s (lower(%s) text_pattern_ops, (%s || 'x') collate "C") with (fillfactor = 55)`, ident.Quote(name.Name), table, n, n)
			w.run("comment on index %s is 'an index'", name.SQL())
			w.run("alter index %s alter column 2 set statistics 50", name.SQL())
		}
	case 7:
		w.run("alter table %s add constraint %s unique (%s, %s) %s", table, ident.Quote(w.fresh("uq")), a, ident.Quote(t.columns[0].name),
			pick(w, []string{"", "deferrable", "deferrable initially deferred"}))
	case 8:
		if c := t.of("integer", "bigint"); len(c) > 0 {
			name := ident.Quote(w.fresh("ck"))
			w.run("alter table %s add constraint %s check (%s > 0) %s", table, name, ident.Quote(c[0].name), pick(w, []string{"", "not valid"}))
			w.run("comment on constraint %s on %s is 'why'", name, table)
		}
	case 9:
		if c := t.of("text", "character varying(20)"); len(c) > 0 {
			w.run("alter table %s add constraint %s check (%s in ('a', 'b') or fn.\"Is Fine\"(%s))", table, ident.Quote(w.fresh("ck")), ident.Quote(c[0].name), ident.Quote(c[0].name))
		}
	case 10:
		if c := t.of("int4range"); len(c) > 0 {
			w.run("alter table %s add constraint %s exclude using gist (%s with &&) where (not isempty(%s))", table, ident.Quote(w.fresh("ex")), ident.Quote(c[0].name), ident.Quote(c[0].name))
		}
	case 11:
		w.run("alter table %s alter column %s set statistics %d", table, q, w.IntN(200))
		w.run("alter table %s alter column %s set (n_distinct = -0.5)", table, q)
	case 12:
		if c := t.of("text", "bytea", "jsonb"); len(c) > 0 {
			w.run("alter table %s alter column %s set storage external", table, ident.Quote(c[0].name))
			if w.version >= 14 {
				w.run("alter table %s alter column %s set compression pglz", table, ident.Quote(c[0].name))
			}
		}
	case 13:
		w.run("alter table %s enable row level security", table)
		w.run("create policy %s on %s as restrictive for select to struct_reader, \"Struct Writer\" using (%s is not null)", ident.Quote(w.fresh("p")), table, a)
	case 14:
		if !t.partitioned {
			w.run("create statistics %s (ndistinct) on %s, %s from %s", ident.Name{Schema: t.name.Schema, Name: w.fresh("st")}.SQL(), a, ident.Quote(t.columns[0].name), table)
		}
	case 15:
		w.run("alter table %s replica identity full", table)
	case 16:
		if w.version >= 15 {
			w.run("create unique index %s on %s (%s, %s) nulls not distinct", ident.Quote(w.fresh("nd")), table, a, ident.Quote(t.columns[0].name))
		}
	case 17:
		w.run("alter table %s owner to struct_owner", table)
	case 18:
		w.run("alter table %s force row level security", table)
	case 19:
		i := ident.Quote(w.fresh("cl"))
		w.run("create index %s on %s (%s)", i, table, a)
		w.run("alter table %s cluster on %s", table, i)
	case 20:
		seq := w.place("seq")
		// All at once, and once: a sequence that no default draws from is nobody's.
		if c := t.of("bigint"); len(c) > 0 && !t.draws {
			t.draws = true
			w.run("create sequence %[1]s increment 3 maxvalue 99999 cycle; "+
				"alter table %[2]s alter column %[3]s set default nextval(%[4]s); grant usage on sequence %[1]s to struct_reader",
				seq.SQL(), table, ident.Quote(c[0].name), ident.Literal(seq.SQL()))
		}
	case 21:
		w.run("alter table %s alter column %s set not null", table, q)
	}
	return append([]string(nil), w.sql[from:]...)
}

func (w *world) foreignKey(from, to *randomTable) {
	for _, c := range from.columns {
		if c.typ == to.columns[0].typ && c.plain {
			w.run("alter table %s add constraint %s foreign key (%s) references %s (%s) on delete cascade %s", from.name.SQL(),
				ident.Quote(w.fresh("fk")), ident.Quote(c.name), to.name.SQL(), ident.Quote(to.columns[0].name),
				pick(w, []string{"", "deferrable initially deferred", "not valid"}))
			return
		}
	}
}

// partitions make a table with partitions of two depths.
func (w *world) partitions() {
	t := &randomTable{name: w.place("part"), partitioned: true}
	t.columns = []randomColumn{{name: "id", typ: "integer", key: true}, {name: w.fresh("c"), typ: "text", plain: true}}
	w.run("create table %s (id integer not null default 3, %s text, check (id > -100)) partition by range (id)", t.name.SQL(), ident.Quote(t.columns[1].name))
	a, b, c := w.place("pa"), w.place("pb"), w.place("pc")
	w.run("create table %s partition of %s for values from (minvalue) to (100)", a.SQL(), t.name.SQL())
	w.run("create table %s partition of %s for values from (100) to (maxvalue) partition by hash (id)", b.SQL(), t.name.SQL())
	w.run("create table %s partition of %s for values with (modulus 1, remainder 0)", c.SQL(), b.SQL())
	w.run("alter table %s add constraint %s primary key (id)", t.name.SQL(), ident.Quote(w.fresh("pk")))
	w.run("create index %s on %s (%s)", ident.Quote(w.fresh("pi")), t.name.SQL(), ident.Quote(t.columns[1].name))
	w.run("create index %s on %s (%s)", ident.Quote(w.fresh("ci")), a.SQL(), ident.Quote(t.columns[1].name))
	w.run("comment on table %s is 'a partition'", a.SQL())
	w.run("alter table %s alter column id set default 9", a.SQL())
	w.tables = append(w.tables, t)
}

// heir makes a table that inherits from another.
func (w *world) heir() {
	from := pick(w, w.tables)
	if from.partitioned {
		return
	}
	t := &randomTable{name: w.place("heir"), child: true}
	t.columns = []randomColumn{{name: w.fresh("own"), typ: "integer", key: true}}
	w.run("create table %s (%s integer primary key) inherits (%s)", t.name.SQL(), ident.Quote(t.columns[0].name), from.name.SQL())
	w.tables = append(w.tables, t)
}
