package structure_test

import (
	"fmt"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// longName has as many bytes as a name can have.
func (w *world) longName(kind string) string {
	w.n++
	name := fmt.Sprintf("%s%d é", kind, w.n)
	return name + strings.Repeat("w", 63-len(name))
}

// tableName is a new one, or another schema's.
func (w *world) tableName() ident.Name {
	if len(w.tables) == 0 || !w.chance(4) {
		return w.place("t")
	}
	n := ident.Name{Schema: pick(w, w.schemas), Name: pick(w, w.tables).name.Name}
	for _, t := range w.tables {
		if t.name == n {
			return w.place("t")
		}
	}
	return n
}

// more hangs on a table what is rarer than what decoration knows.
func (w *world) more(t *randomTable) {
	col := pick(w, t.columns)
	table, q, key := t.name.SQL(), ident.Quote(col.name), ident.Quote(t.columns[0].name)
	a := ident.Quote(pick(w, append(t.of(ordered...), t.columns[0])).name)
	fresh := func(kind string) string { return ident.Quote(w.fresh(kind)) }
	switch w.IntN(16) {
	case 0, 1, 2:
		w.trigger(t)
	case 3:
		w.run("create index %s on %s using hash (%s)", fresh("h"), table, a)
	case 4:
		w.run("create index %s on %s using brin (%s) with (pages_per_range = 7)", fresh("br"), table, a)
	case 5:
		for _, c := range t.of("jsonb") {
			w.run("create index %s on %s using gin (%s jsonb_path_ops) with (fastupdate = off)", fresh("g"), table, ident.Quote(c.name))
		}
		for _, c := range t.of("inet") {
			w.run("create index %s on %s using spgist (%s inet_ops)", fresh("sp"), table, ident.Quote(c.name))
		}
	case 6:
		for _, c := range t.of("text") {
			n := ident.Quote(c.name)
			w.run(`create unique index %s on %s (%s, upper(%s) collate "POSIX" varchar_pattern_ops desc) include (%s) where length(%s) > 3`, fresh("e"), table, key, n, q, n)
		}
	case 7:
		name := ident.Name{Schema: t.name.Schema, Name: w.fresh("st")}.SQL()
		w.run("create statistics %s (mcv, dependencies) on %s, %s from %s", name, a, key, table)
		w.run("alter statistics %s set statistics 77", name)
		w.run("comment on statistics %s is 'counted'", name)
		if w.version >= 14 {
			w.run("create statistics %s on (%s + 1), (%s %% 10) from %s", ident.Name{Schema: t.name.Schema, Name: w.fresh("se")}.SQL(), key, key, table)
		}
	case 8:
		p := fresh("p")
		w.run("create policy %s on %s using (%s is not null) with check (%s > 0)", p, table, a, key)
		w.run("comment on policy %s on %s is 'who'", p, table)
	case 9:
		w.run("grant truncate, trigger, references on %s to struct_reader with grant option", table)
		w.run("grant insert (%s, %s), references (%s) on %s to \"Struct Writer\"", key, q, q, table)
		w.run("revoke grant option for trigger on %s from struct_reader", table)
	case 10:
		c := fresh("ni")
		w.run("alter table %s add constraint %s check (%s <> 0) no inherit", table, c, key)
		w.run("comment on constraint %s on %s is 'never nothing'", c, table)
	case 11:
		w.run("alter table %s add unique (%s) deferrable initially deferred", table, key)
		w.run("comment on column %s.%s is e'tab\\there'", table, key)
	case 12:
		for _, c := range t.of("int4range") {
			w.run("alter table %s add constraint %s exclude using gist (%s with -|-) deferrable initially deferred", table, fresh("ex"), ident.Quote(c.name))
		}
	case 13:
		i := fresh("ri")
		w.run("alter table %s alter column %s set not null", table, a)
		w.run("create unique index %s on %s (%s, %s)", i, table, a, key)
		w.run("alter table %s replica identity using index %s", table, i)
	case 14:
		w.run("alter table %s set (autovacuum_vacuum_scale_factor = 0.01, toast_tuple_target = 200)", table)
		w.run("alter table %s alter column %s set storage main", table, q)
	case 15:
		w.run("alter table %s add constraint %s foreign key (%s) references %s (%s) match full on update cascade on delete set null", table,
			fresh("self"), key, table, key)
	}
}

// trigger is one of each kind.
func (w *world) trigger(t *randomTable) {
	name, table := ident.Quote(w.fresh("tr")), t.name.SQL()
	q := ident.Quote(pick(w, t.columns).name)
	w.run("create %s", []string{
		"trigger " + name + " before insert or update of " + q + " on " + table + " for each row execute function fn.note('x', 'it''s')",
		"trigger " + name + " after update on " + table + " for each row when (old." + q + " is distinct from new." + q + ") execute function fn.note()",
		"trigger " + name + " after delete on " + table + " referencing old table as gone for each statement execute function fn.\"Note It\"()",
		"constraint trigger " + name + " after insert on " + table + " deferrable initially deferred for each row execute function fn.note()",
		"trigger " + name + " before truncate on " + table + " execute function fn.note()",
	}[w.IntN(5)])
	if w.chance(2) {
		w.run("alter table %s %s trigger %s", table, pick(w, []string{"disable", "enable replica", "enable always"}), name)
	}
	if w.chance(2) {
		w.run("comment on trigger %s on %s is 'does it'", name, table)
	}
}

// listed is a table partitioned by list, with a default partition and a
// trigger, a foreign key and a leaf's own index.
func (w *world) listed() {
	t := &randomTable{name: w.place("list"), partitioned: true}
	t.columns = []randomColumn{{name: w.fresh("id"), typ: "bigint", key: true}, {name: w.fresh("c"), typ: "text", plain: true}}
	key, text := ident.Quote(t.columns[0].name), ident.Quote(t.columns[1].name)
	w.run("create table %s (%s bigint not null, %s text collate \"C\" default 'a', primary key (%s, %s)) partition by list (%[3]s)", t.name.SQL(), key, text, key, text)
	first, other := w.place("la"), ident.Name{Schema: "s2", Name: w.longName("rest")}
	w.run("create table %s partition of %s for values in ('a', 'it''s', 'ö')", first.SQL(), t.name.SQL())
	w.run("create table %s partition of %s default", other.SQL(), t.name.SQL())
	w.run("create index %s on %s (%s desc)", ident.Quote(w.fresh("li")), other.SQL(), key)
	w.run("grant select on %s to struct_reader", other.SQL())
	w.run("alter table %s alter column %s set statistics 9", other.SQL(), key)
	w.tables = append(w.tables, t)
	w.trigger(t)
	if c := pick(w, w.tables); c.columns[0].typ == "bigint" && !c.partitioned {
		w.run("alter table %s add constraint %s foreign key (%s) references %s (%s)", t.name.SQL(), ident.Quote(w.fresh("pf")), key, c.name.SQL(), ident.Quote(c.columns[0].name))
	}
}
