package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

func TestNames(t *testing.T) {
	names := []string{
		`public.plain`, `public."Entry"`, `public."with space"`, `public."a.b.c"`, `"my.schema"."x"".""y"`,
		`public."täßt→😀"`, `public."` + strings.Repeat("n", 63) + `"`, `public."select"`, `public.excluded`, `public.t`, `public.u`,
	}
	cols := []string{"id", "A1", "a1", "with space", "do.t", `q"uote`, "ü", strings.Repeat("c", 63), "excluded", "t", "u", "w", "fresh", `back\slash`, "tab\there"}
	r := newRig(t, `create schema "my.schema"`)
	var defs, quoted []string
	for i, c := range cols {
		quoted = append(quoted, ident.Quote(c))
		if i > 0 {
			defs = append(defs, ident.Quote(c)+" text")
		}
	}
	for _, name := range names {
		n, err := ident.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		r.exec("create table " + n.SQL() + " (id int, " + strings.Join(defs, ", ") + `, primary key ("A1", id))`)
		r.load(name)
		row := func(id int, v string) string {
			m := map[string]any{"id": id}
			for _, c := range cols[1:] {
				m[c] = v
			}
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		ev := func(op, data string) Event {
			typ, err := json.Marshal(map[string]any{"op": op, "table": []string{n.Schema, n.Name}, "pkey": []string{"A1", "id"}})
			if err != nil {
				t.Fatal(err)
			}
			r.last++
			return Event{ID: r.last, Type: typ, Data: []byte(data)}
		}
		r.must(ev("INSERT", row(1, "a")), ev("INSERT", row(2, "b")), ev("INSERT", row(3, "c")))
		r.must(ev("UPDATE", row(1, "a")), ev("DELETE", row(2, "b")), ev("INSERT", row(2, "d")))
		r.must(ev("DELETE", row(3, "c")))
		got := r.rows(fmt.Sprintf(`select id, concat_ws(',', %s) from %s order by id`, strings.Join(quoted[1:], ","), n.SQL()))
		want := []string{
			`(1,"` + strings.Repeat("a,", len(cols)-2) + `a")`,
			`(2,"` + strings.Repeat("d,", len(cols)-2) + `d")`,
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %q", name, got)
		}
		// The old format: unquoted, dots and all.
		r.must(Event{ID: 99, Type: []byte("R"), Extra1: []byte(n.Schema + "." + n.Name)})
		r.want("select count(*) from "+n.SQL(), "(0)")
	}
}

func TestColumns(t *testing.T) {
	r := newRig(t, `
create table gen (id int primary key, a int, twice int generated always as (a * 2) stored, extra text default 'here', n serial);
create table ident (id int generated always as identity primary key, v text);
create table ident2 (k text primary key, id int generated always as identity, v text);
create table keyonly (id int generated always as identity primary key);
create table genkey (a int, k int generated always as (a + 1) stored primary key, v text);
`, "gen", "ident", "ident2", "keyonly", "genkey")
	r.must(r.evs(`INSERT gen id {"id":1,"a":2,"twice":5}`, `INSERT gen id {"id":2,"a":3,"twice":null}`)...)
	r.exec("update gen set extra = 'mine', n = n + 10")
	r.must(r.evs(`UPDATE gen id {"id":1,"a":4,"twice":8}`)...)
	r.want("select * from gen order by id", "(1,4,8,mine,11)", "(2,3,6,mine,12)")

	r.must(r.evs(`INSERT ident id {"id":100,"v":"a"}`, `INSERT ident id {"id":101,"v":"b"}`, `INSERT keyonly id {"id":7}`)...)
	res := r.must(r.evs(`UPDATE ident id {"id":100,"v":"c"}`, `DELETE ident id {"id":101,"v":"b"}`, `UPDATE keyonly id {"id":7}`, `UPDATE keyonly id {"id":8}`)...)
	r.want("select * from ident", "(100,c)")
	r.want("select * from keyonly order by 1", "(7)", "(8)")
	if res.Total.Diverged != 1 || res.Total.Fallbacks != 0 {
		t.Errorf("%+v", res.Total)
	}
	r.must(r.evs(`INSERT ident2 k {"k":"x","id":50,"v":"a"}`, `INSERT ident2 k {"k":"y","id":51,"v":"a"}`)...)
	res = r.must(r.evs(`UPDATE ident2 k {"k":"x","id":60,"v":"b"}`, `UPDATE ident2 k {"k":"y","id":51,"v":"c"}`)...)
	r.want("select * from ident2 order by k", "(x,60,b)", "(y,51,c)")
	if res.Total.Fallbacks != 0 || res.Total.BySets != 2 {
		t.Errorf("%+v", res.Total)
	}
	r.must(r.evs(`INSERT genkey k {"a":1,"k":2,"v":"x"}`, `INSERT genkey k {"a":5,"k":6,"v":"y"}`)...)
	r.must(r.evs(`UPDATE genkey k {"a":1,"k":2,"v":"z"}`, `DELETE genkey k {"a":5,"k":6,"v":"y"}`)...)
	r.want("select * from genkey", "(1,2,z)")
}

// TestColumnsComeAndGo applies events from before and after an ALTER TABLE at
// the provider in one set.
func TestColumnsComeAndGo(t *testing.T) {
	r := newRig(t, "create table t (id int primary key, a text, b text default 'def')", "t")
	r.must(r.evs(
		`INSERT t id {"id":1,"a":"1"}`, `INSERT t id {"id":2,"a":"1"}`,
		`UPDATE t id {"id":1,"a":"2","b":"new"}`, `INSERT t id {"id":3,"b":"first","a":"x"}`,
		`UPDATE t id {"id":1,"a":"3"}`, `DELETE t id {"id":2,"zzz":1}`, `INSERT t id {"id":2,"a":"again","a":"twice"}`,
	)...)
	r.want("select * from t order by id", "(1,3,new)", "(2,twice,def)", "(3,x,first)")
	e := r.fails([]string{`column "c"`, "table public.t", "event 8"}, r.evs(`INSERT t id {"id":4,"c":1}`)...)
	if !strings.Contains(hint.Of(e), "add the column") {
		t.Errorf("hint %q", hint.Of(e))
	}
	r.exec("alter table t add c int")
	r.load("t")
	r.must(r.evs(`INSERT t id {"id":4,"c":1}`)...)
	r.want("select * from t where id = 4", "(4,,def,1)")
}

func TestRefusedRows(t *testing.T) {
	ok := `INSERT t id {"id":1,"v":"ok","n":1,"d":"ab","b":"101","c":"abc"}`
	bad := func(field, value string) string {
		row := map[string]string{"id": "2", "v": `"v"`, "n": "2", "d": `"x"`, "b": `"000"`, "c": `"c"`}
		row[field] = value
		return fmt.Sprintf(`INSERT t id {"id":%s,"v":%s,"n":%s,"d":%s,"b":%s,"c":%s}`, row["id"], row["v"], row["n"], row["d"], row["b"], row["c"])
	}
	r := newRig(t, `create domain short as varchar(3);
create table t (id int primary key, v varchar(3), n int not null unique, d short, b bit(3), c char(3), check (n <> 13))`, "t")
	for name, c := range map[string]struct{ line, code, text string }{
		"narrowed":    {bad("v", `"long"`), "22001", "too long"},
		"domain":      {bad("d", `"long"`), "22001", "too long"},
		"char":        {bad("c", `"long"`), "22001", "too long"},
		"bit":         {bad("b", `"10101"`), "22026", "bit string length"},
		"not null":    {bad("n", "null"), "23502", "null value"},
		"new unique":  {bad("n", "1"), "23505", "t_n_key"},
		"check":       {bad("n", "13"), "23514", "t_n_check"},
		"range":       {bad("n", "99999999999"), "22003", "out of range"},
		"syntax":      {bad("n", `"x"`), "22P02", "invalid input"},
		"zero byte":   {bad("v", `"\u0000"`), "", "zero byte"},
		"surrogate":   {bad("v", `"\ud83d"`), "", "surrogate"},
		"odd byte":    {bad("v", "\"\xff\""), "22021", "invalid byte sequence"},
		"null key":    {bad("id", "null"), "", "is NULL"},
		"broken":      {`INSERT t id {"id":2,"v":"v"`, "", "malformed JSON"},
		"no key":      {`INSERT t id {"v":"v"}`, "", "key column"},
		"not object":  {`UPDATE t id`, "", "malformed JSON"},
		"foreign key": {`UPDATE t v {"id":2,"v":"v"}`, "", "no unique key on (v)"},
	} {
		t.Run(name, func(t *testing.T) {
			events := r.evs(ok, c.line)
			e := r.fails([]string{c.text, "public.t", fmt.Sprintf("event %d", events[1].ID)}, events...)
			if pg, _ := errors.AsType[*pgconn.PgError](error(e)); c.code != "" {
				if pg == nil || pg.Code != c.code {
					t.Errorf("error %v, want code %s", e, c.code)
				}
				if e.Key == "" || !strings.Contains(e.Statement, "insert into") {
					t.Errorf("key %q, statement %q", e.Key, e.Statement)
				}
			}
			r.want("select count(*) from t", "(0)")
		})
	}
	r.must(r.evs(ok)...)
	r.want("select * from t", "(1,ok,1,ab,101,abc)")
}

func TestLoadTarget(t *testing.T) {
	r := newRig(t, `
create table p (id int, d date, primary key (id, d)) partition by range (d);
create table a (id int primary key, t text unique, x int, unique (x, t), r int references a);
create table b (id int references a, f float8, "I" int not null);
create unique index on b (f); create unique index on b ("I") where f > 0; create unique index on b (("I" + 1)); create unique index on b ("I") include (f);
create view v as select 1 as id;`, "p", "a", "b")
	get := func(name string) *Target { return r.tables[ident.Name{Schema: "public", Name: name}] }
	if p := get("p"); !p.Partitioned || len(p.Keys) != 1 || len(p.Keys[0].Columns) != 2 {
		t.Errorf("%+v", p)
	}
	if a := get("a"); len(a.Keys) != 3 || !a.Keys[0].Primary || len(a.References) != 0 {
		t.Errorf("%+v", a)
	}
	b := get("b")
	if len(b.Keys) != 2 || len(b.References) != 1 || b.References[0].Name != "a" {
		t.Errorf("%+v", b)
	}
	for _, k := range b.Keys {
		if want := b.Columns[k.Columns[0]].Name == "I"; len(k.Columns) != 1 || k.collapsible() != want {
			t.Errorf("%+v", k)
		}
	}
	for name, text := range map[string]string{"v": "not a table", "nix": "does not exist"} {
		if _, err := LoadTarget(t.Context(), r.conn, ident.Name{Schema: "public", Name: name}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
