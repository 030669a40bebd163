package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// watchTables makes tables, and a function that has one of them watched by
// triggers of PgQ, or in form static by the functions of trigger_install.
const watchTables = `
create table t (id int primary key, a text, b text, c numeric);
create table k (id int, a text, b text, c numeric);
create table m (id int primary key, a text, b text, c numeric, _pgq_ev_type text, _pgq_ev_extra3 int);
create function watch(tab text, form text, format text, args text[]) returns void language plpgsql as $$
declare
	options jsonb := '{}'; a text;
	f text := case format when 'json' then 'jsontriga' when 'sql' then 'sqltriga' else 'logutriga' end;
	rest text := (select coalesce(string_agg(', ' || quote_literal(u), ''), '') from unnest(args) u);
begin
	if form = 'static' then
		foreach a in array args loop
			options := options || case when a in ('SKIP', 'backup', 'deny') then jsonb_build_object(a, true)
				else jsonb_build_object(split_part(a, '=', 1), substr(a, strpos(a, '=') + 1)) end;
		end loop;
		execute 'select skytools.trigger_install($1, $2, $3, $4)' using 'q', tab::regclass, format, options;
	else
		execute format('create trigger x %s insert or update or delete on %s for each row execute function pgq.%s(%L%s)',
			case when args @> '{SKIP}' then 'before' else 'after' end, tab, f, 'q', rest);
		execute format('create trigger y after truncate on %s for each statement execute function pgq.%s(%L%s)', tab, f, 'q',
			case when args @> '{deny}' then ', ''deny''' else '' end);
	end if;
end $$;`

// changes are what is done to a table, each in a message of its own.
var changes = []string{
	`insert into %s (id, a, b, c) values (1, 'a', 'b', 1), (2, null, 'x y', 2.0), (3, 'ü%%=&', E'q''\\', null)`,
	`update %s set a = 'A' where id = 1`, `update %s set b = 'B' where id <> 3`, `update %s set c = c + 1, b = null where id > 1`,
	`update %s set a = a`, `insert into %s (id, a) values (9, 'z')`, `delete from %s where id = 1`, `delete from %s where a is null`,
	`truncate %s`,
}

// triggerFlags and triggerKeys are the arguments that are combined, with each key, table and format.
var (
	triggerFlags = []string{"SKIP", "ignore=b", "backup", "deny", "ev_type=a||'!'", "ev_data=c", "ev_extra2='two'", "ev_extra4=id", "when=id<>2"}
	triggerKeys  = []struct{ table, pkey string }{{"t", ""}, {"t", "pkey=a"}, {"t", "pkey=c, id"}, {"k", ""}, {"k", "pkey=id"}, {"m", ""}}
)

// TestStaticTriggersOfAllOptions: the C functions of the extension, ours and
// the functions of trigger_install say the same for combinations of all
// options, of tables with a key and without, in each format. Every 389th of the
// 9,216 combinations, with LONG every 31st: trigger_install takes its time.
func TestStaticTriggersOfAllOptions(t *testing.T) {
	s := pgtest.Second(t)
	pgtest.RequireExtension(t, s, "pgq", "apt install postgresql-15-pgq3")
	ours := pgtest.Connect(t, pgtest.Database(t, s, setup))
	theirs := pgtest.Connect(t, extension(t, s))
	for _, conn := range []*pgx.Conn{ours, theirs} {
		pgtest.ExecAll(t, conn, `set client_min_messages = warning`, `select pgq.create_queue('q')`, watchTables)
	}
	every := 389
	if pgtest.Long() {
		every = 31
	}
	all := len(triggerKeys) * 3 << len(triggerFlags)
	events := 0
	for n := 0; n < all; n += every {
		key := triggerKeys[n%len(triggerKeys)]
		format := []string{"json", "urlenc", "sql"}[n/len(triggerKeys)%3]
		args := []string{}
		for i, flag := range triggerFlags {
			if n/len(triggerKeys)/3>>i&1 == 1 {
				args = append(args, flag)
			}
		}
		if key.pkey != "" {
			args = append(args, key.pkey)
		}
		c, generic, static := tryTriggers(t, theirs, key.table, "triga", format, args), tryTriggers(t, ours, key.table, "triga", format, args), tryTriggers(t, ours, key.table, "static", format, args)
		about := fmt.Sprintf("table %s, format %s, %q", key.table, format, args)
		refused := false // upstream does not let a key change; after that its table has other rows
		for i := range generic {
			refused = refused || slices.ContainsFunc(c[i], func(e string) bool { return strings.Contains(e, "primary key update not allowed") })
			if diff := cmp.Diff(c[i], generic[i]); diff != "" && !refused {
				t.Errorf("%s (-C +generic):\n%s", about, diff)
			}
			// What ev_data= replaces is not made: then a NULL in the key goes unseen.
			unseen := slices.Contains(args, "ev_data=c") && slices.Contains(generic[i], "error: logtriga: Unexpected NULL key value")
			if diff := cmp.Diff(generic[i], static[i]); diff != "" && !unseen {
				t.Errorf("%s (-generic +static):\n%s", about, diff)
			}
			events += len(static[i]) - 1
		}
	}
	if events < all/every*5 {
		t.Errorf("only %d events of %d combinations", events, all/every)
	}
}

// tryTriggers makes the changes and returns the events of each, or its error,
// and what the table has in the end. Nothing is left behind.
func tryTriggers(t *testing.T, conn *pgx.Conn, table, form, format string, args []string) (did [][]string) {
	t.Helper()
	pgtest.Exec(t, conn, `begin`)
	defer pgtest.Exec(t, conn, `rollback`)
	if slices.Contains(args, "SKIP") { // for there are no rows else
		pgtest.Exec(t, conn, `insert into `+table+` (id, a, b, c) values (1, 'a', 'b', 1), (2, 'a&', E'q''\\', 2)`)
	}
	if _, err := conn.Exec(t.Context(), `select watch($1, $2, $3, $4)`, table, form, format, args); err != nil {
		t.Fatalf("%s of table %s, format %s, %q: %+v", form, table, format, args, err)
	}
	for _, sql := range changes {
		sql = fmt.Sprintf(sql, table)
		step := []string{sql}
		pgtest.Exec(t, conn, `savepoint s`)
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			pgtest.Exec(t, conn, `rollback to s`)
			pg, ok := errors.AsType[*pgconn.PgError](err)
			if !ok {
				t.Fatal(err)
			}
			did = append(did, append(step, "error: "+pg.Message))
			continue
		}
		for _, e := range pgtest.Column[string](t, conn, `with e as (delete from pgq.event_template returning *)
			select concat_ws(E'\x1f', coalesce(ev_type, '-'), coalesce(ev_data, '-'), coalesce(ev_extra1, '-'),
			coalesce(ev_extra2, '-'), coalesce(ev_extra3, '-'), coalesce(ev_extra4, '-')) from e order by ev_id`) {
			step = append(step, decoded(format, e))
		}
		if !strings.Contains(sql, "id = 1") { // rows of a statement come as they lie
			slices.Sort(step[1:])
		}
		did = append(did, step)
	}
	return append(did, pgtest.Column[string](t, conn, `select r::text from `+table+` r order by id`))
}

// decoded is an event by its values: a reader does not see how they are quoted.
func decoded(format, event string) string {
	f := strings.Split(event, "\x1f")
	if len(f) != 6 {
		return event
	}
	op := f[0]
	switch {
	case strings.HasPrefix(op, "{"):
		f[0] = object(op)
	case strings.Contains(op, ":"):
		f[0] = strings.ReplaceAll(op, " ", "")
	}
	f[1] = data(format, f[1])
	if format == "sql" { // whose backup is url-encoded
		format = "urlenc"
	}
	f[3] = data(format, f[3])
	return strings.Join(f, " | ")
}

func data(format, text string) string {
	switch {
	case strings.HasPrefix(text, "{"):
		return object(text)
	case format == "sql":
		text = strings.ReplaceAll(text, "=NULL", "=null")
		set, where, _ := strings.Cut(text, " where ")
		list := strings.Split(set, ",")
		slices.Sort(list)
		return strings.Join(list, ",") + " where " + where
	case strings.Contains(text, "="):
		list := strings.Split(text, "&")
		for i, pair := range list {
			list[i], _ = url.QueryUnescape(pair)
		}
		slices.Sort(list)
		return strings.Join(list, " & ")
	}
	return text
}

// object is a JSON object with its values as text.
func object(text string) string {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	values := map[string]any{}
	if err := d.Decode(&values); err != nil {
		return text
	}
	for k, v := range values {
		if v != nil {
			values[k] = fmt.Sprint(v)
		}
	}
	return fmt.Sprint(values)
}

// TestTriggerInstallRefuses what a static function could not do, when it is
// made and not when a row is written; and what only a row can tell, then.
func TestTriggerInstallRefuses(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), setup))
	pgtest.ExecAll(t, conn, `select pgq.create_queue('q')`, watchTables, `create table odd (id int, _pgq_ev_typo text)`)
	for _, c := range []struct{ table, options, text string }{
		{"t", `{"upstream": true}`, "upstream is an argument of generic triggers alone"},
		{"t", `{"pkey": "id, zz"}`, "pkey of table public.t: there is no column zz"},
		{"t", `{"pkey": ""}`, "pkey of table public.t: there is no column"},
		{"t", `{"pkey": "id", "key": "t_pkey"}`, "key and pkey exclude each other"},
		{"t", `{"keyless": true}`, "unknown option of trigger_install: keyless"},
		{"t", `{"SKIP": true, "mode": "statement"}`, "need mode row"},
		{"t", `{"when": "id"}`, "argument of CASE/WHEN must be type boolean"},
		{"t", `{"when": "zz"}`, `column "zz" does not exist`},
		{"k", `{"key": "k_pkey"}`, "table public.k has no index k_pkey"},
		{"odd", `{}`, "Unknown magic column: _pgq_ev_typo"},
	} {
		_, err := conn.Exec(t.Context(), `select skytools.trigger_install('q', $1::text::regclass, 'json', $2::text::jsonb)`, c.table, c.options)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s %s: %v", c.table, c.options, err)
		}
	}
	pgtest.ExecAll(t, conn, `select skytools.trigger_install('q', 't', 'json', '{"when": "a = ''x''"}')`)
	if _, err := conn.Exec(t.Context(), `insert into t values (1, null)`); err == nil || !strings.Contains(err.Error(), "when= should not be NULL") {
		t.Errorf("a condition that is NULL: %v", err)
	}
}

// TestStaticSkipLetsGo: what a replica applies under the role local, and what
// is written once the triggers' functions were emptied, comes into the table.
func TestStaticSkipLetsGo(t *testing.T) {
	server := pgtest.Server(t)
	dsn := pgtest.Database(t, server, setup)
	conn := pgtest.Connect(t, dsn)
	admin := pgtest.Admin(t, server, pgtest.DBName(t, dsn))
	pgtest.ExecAll(t, conn, `select pgq.create_queue('q')`, watchTables, `select skytools.trigger_install('q', 't', 'json', '{"SKIP": true}')`,
		`insert into t values (1, 'skipped')`)
	pgtest.ExecAll(t, admin, `begin`, `set local session_replication_role = local`, `insert into t values (2, 'local')`, `update t set a = 'LOCAL'`, `commit`,
		`alter table t owner to postgres`)
	if todo := pgtest.One[string](t, conn, `select skytools.trigger_remove('q', 't') ->> 'owner_must'`); !strings.Contains(todo, "drop trigger") {
		t.Fatalf("the owner has nothing to do: %s", todo)
	}
	pgtest.ExecAll(t, admin, `insert into t values (3, 'let go')`, `update t set b = 'b' where id = 3`, `delete from t where id = 2`)
	if got := pgtest.Column[string](t, admin, `select id || a || coalesce(b, '') from t order by id`); !slices.Equal(got, []string{"3let gob"}) {
		t.Errorf("the table has %v", got)
	}
	if n := pgtest.One[int](t, conn, `select count(*)::int from pgq.event_template`); n != 1 {
		t.Errorf("%d events, want the one of what was skipped", n)
	}
}
