package schema

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// columnTypes are types with expressions that give a value of them; %d is a
// random number.
var columnTypes = []struct{ name, value string }{
	{"int", "%d"},
	{"int8", "%d * 7"},
	{"bool", "%d %% 2 = 0"},
	{"text", "(array['plain', 'a b', '', ',', '\"', '\\', '(x)', 'é€😀', '{}', E'\\n\\x01\\x02\\x03\\x04'])[1 + %d %% 10]"},
	{"varchar(20)", "'v' || %d"},
	{"numeric", "%d / 8.0"},
	{"float8", "%d / 3.0"},
	{"date", "date '2020-01-01' + %d"},
	{"timestamp", "timestamp '2020-01-01' + %d * interval '1.7 s'"},
	{"timestamptz", "timestamptz 'epoch' + %d * interval '1 h'"},
	{"interval", "%d * interval '1 m 2 d 3 s'"},
	{"bytea", "decode(lpad(to_hex(%d), 8, '0'), 'hex')"},
	{"jsonb", `jsonb_build_object('a', %d, 'b', array['x,"y'])`},
	{"json", "to_json('s'::text || %d)"},
	{"int[]", "array[%d, null, 3]"},
	{"text[]", "array['a b', ',', '\"' || %d]"},
	{"uuid", "md5('%d')::uuid"},
	{"mood", "(enum_range(null::mood))[1 + %d %% 2]"},
	{"pair", "row(%d, 'x, \"y\"')::pair"},
	{"int4range", "int4range(0, %d)"},
	{"dint", "%d"},
}

// sameEvents pairs the events of two queues and lists those that do not say the
// same: fields of a JSON row are cast to their column's type first.
const sameEvents = `
select format('%s: %s / %s, %s / %s, 2=%s / %s, 4=%s / %s', n, g.ev_type, s.ev_type, g.ev_data, s.ev_data, g.ev_extra2, s.ev_extra2, g.ev_extra4, s.ev_extra4)
from (select *, row_number() over (order by ev_id) as n from pgq.event_1) g
full join (select *, row_number() over (order by ev_id) as n from pgq.event_2) s using (n)
where g.ev_type is distinct from s.ev_type or g.ev_extra1 is distinct from s.ev_extra1 or g.ev_extra4 is distinct from s.ev_extra4
	or same_data(g.ev_data, s.ev_data) is not true or same_data(g.ev_extra2, s.ev_extra2) is not true
order by n`

// TestStaticTriggersSayTheSame writes random rows into random tables and wants
// the generated functions of trigger_install to put the same values into their
// queue as PgQ's generic trigger functions.
func TestStaticTriggersSayTheSame(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	pgtest.ExecAll(t, conn, `set timezone = 'UTC'`, `select pgq.create_queue('generic'), pgq.create_queue('static')`,
		`create type mood as enum ('so so', 'ok')`, `create type pair as (a int, b text)`, `create domain dint as int`)
	pgtest.ExecAll(t, conn, `create function same_data(a text, b text) returns bool language plpgsql as $$
		declare c record; equal bool;
		begin
			if a is not distinct from b then return true; end if;
			if a !~ '^{' or b !~ '^{' then return coalesce(sql_row(a) @> sql_row(b) or sql_row(b) @> sql_row(a), false); end if;
			if (select array_agg(k) from jsonb_object_keys(a::jsonb) k) is distinct from (select array_agg(k) from jsonb_object_keys(b::jsonb) k) then return false; end if;
			for c in select x.key, x.value as v, y.value as w, format_type(atttypid, atttypmod) as type from json_each_text(a::json) x join json_each_text(b::json) y on x.key = y.key
				join pg_attribute on attrelid = 't'::regclass and attname = x.key loop
				execute format('select %L::%s::text is not distinct from %L::%2$s::text', c.v, c.type, c.w) into equal;
				if not equal then return false; end if;
			end loop;
			return true;
		end $$`,
		// The assignments of an UPDATE's text, and what follows WHERE, each a word.
		`create function sql_row(a text) returns text[] language sql as $$
			select array_agg(m[1]) from regexp_matches(a, 'c[1-9]\d*=(?:null|NULL|E?''(?:[^''\\]|''''|\\\\|\\n)*'')| where .*', 'g') m $$`)
	for seed := range uint64(9) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			sayTheSame(t, conn, rand.New(rand.NewPCG(seed, 1)), []string{"json", "urlenc", "sql"}[seed%3])
		})
	}
}

func sayTheSame(t *testing.T, conn *pgx.Conn, r *rand.Rand, format string) {
	columns, values := []string{"c0 int primary key"}, []string{"i"}
	for n := range 1 + r.IntN(8) {
		c := columnTypes[r.IntN(len(columnTypes))]
		columns = append(columns, fmt.Sprintf("c%d %s", n+1, c.name))
		values = append(values, "case when i % 3 = 0 then null else "+strings.ReplaceAll(strings.ReplaceAll(c.value, "%d", fmt.Sprintf("(i + %d)", r.IntN(90))), "%%", "%")+" end")
	}
	arguments, options := "", "{}"
	switch r.IntN(3) {
	case 1:
		arguments, options = ", 'ignore=c1', 'backup'", `{"ignore": "c1", "backup": true}`
	case 2:
		arguments, options = ", 'when=c0 <> 5', 'ev_extra4=c0 * 2'", `{"when": "c0 <> 5", "ev_extra4": "c0 * 2"}`
	}
	function := map[string]string{"json": "jsontriga", "urlenc": "logutriga", "sql": "sqltriga"}[format]
	pgtest.ExecAll(t, conn, `drop table if exists t`, `delete from pgq.event_template`, `delete from skytools.capture`,
		`create table t (`+strings.Join(columns, ", ")+`)`,
		fmt.Sprintf(`create trigger g after insert or update or delete on t for each row execute function pgq.%s('generic'%s)`, function, arguments),
		fmt.Sprintf(`create trigger g_t after truncate on t for each statement execute function pgq.%s('generic')`, function),
		fmt.Sprintf(`select skytools.trigger_install('static', 't', '%s', '%s')`, format, options),
		`insert into t select `+strings.Join(values, ", ")+` from generate_series(1, 12) i`,
		`update t set c1 = (select c1 from t where c0 = 1) where c0 between 4 and 8`,
		`update t set c0 = c0`,
		`delete from t where c0 < 3`,
		`truncate t`)
	var events int
	if err := conn.QueryRow(t.Context(), `select count(*) from pgq.event_2`).Scan(&events); err != nil {
		t.Fatal(err)
	}
	if events < 20 {
		t.Errorf("only %d events", events)
	}
	for _, line := range pgtest.Column[string](t, conn, sameEvents) {
		t.Errorf("%s %s %s\ngeneric / static: %s", columns, arguments, format, line)
	}
}
