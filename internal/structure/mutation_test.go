package structure_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// changesSQL are queries that write changes of what is there; $1 are the
// tables' oids.
var changesSQL = []string{
	`select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint where conrelid = any($1) and contype <> 'n'`,
	`select format('alter table %s rename constraint %I to %I', conrelid::regclass, conname, 'renamed ' || oid) from pg_constraint where conrelid = any($1)`,
	`select format('drop index %s', indexrelid::regclass) from pg_index where indrelid = any($1)`,
	`select format('alter index %s rename to %I', indexrelid::regclass, 'called ' || indexrelid) from pg_index where indrelid = any($1)`,
	`select format('alter table %s alter column %I drop default', adrelid::regclass, attname) from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum where adrelid = any($1)`,
	`select format('alter table %s alter column %I drop not null', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attnum > 0 and attnotnull and not attisdropped`,
	`select format('alter table %s drop column %I', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attnum > 1 and not attisdropped`,
	`select format('alter table %s drop column %I', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attnum > 0 and attgenerated <> ''`,
	`select format('alter table %s alter column %I type %s using null', attrelid::regclass, attname, t) from pg_attribute, unnest('{text,bigint,numeric(12\,3),integer,varchar(9)}'::text[]) t
		where attrelid = any($1) and attnum > 0 and not attisdropped`,
	`select format('alter table %s alter column %I type varchar(30)', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attnum > 0 and atttypid in ('varchar'::regtype, 'text'::regtype)`,
	`select format('alter table %s alter column %I type numeric', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attnum > 0 and atttypid in ('int'::regtype, 'bigint'::regtype)`,
	`select format('alter table %s alter column %I drop identity', attrelid::regclass, attname) from pg_attribute where attrelid = any($1) and attidentity <> ''`,
	`select format('alter table %s alter column %I set generated %s set increment 7 set cache 2', attrelid::regclass, attname, case attidentity when 'a' then 'by default' else 'always' end) from pg_attribute where attrelid = any($1) and attidentity <> ''`,
	`select format('alter table %s alter column %I drop default, alter column %2$I add generated always as identity', attrelid::regclass, attname) from pg_attribute
		where attrelid = any($1) and attnotnull and atthasdef and attgenerated = '' and atttypid in ('int'::regtype, 'bigint'::regtype)`,
	`select format('alter sequence %s increment 4 cache 9 cycle', oid::regclass) from pg_class where relkind = 'S'`,
	`select format('alter sequence %s rename to %I', oid::regclass, 'seq ' || oid) from pg_class where relkind = 'S'`,
	`select format('alter type %s add value %L', oid::regtype, 'label' || oid) from pg_type where typtype = 'e'`,
	`select format('alter type %s add value %L before %L', oid::regtype, 'first', 'sad') from pg_type where typtype = 'e'`,
	`select format('alter type %s rename value %L to %L', oid::regtype, 'o''k', 'fine') from pg_type where typtype = 'e'`,
	`select format('alter domain %s add constraint more check (value is not null or true)', oid::regtype) from pg_type where typtype = 'd' and typnamespace <> 'information_schema'::regnamespace`,
	`select format('alter domain %s set default null', oid::regtype) from pg_type where typtype = 'd' and typnamespace <> 'information_schema'::regnamespace`,
	`select format('alter domain %s drop default', oid::regtype) from pg_type where typtype = 'd' and typnamespace <> 'information_schema'::regnamespace`,
	`select format('alter domain %s drop constraint %I', contypid::regtype, conname) from pg_constraint join pg_type t on t.oid = contypid where typnamespace <> 'information_schema'::regnamespace`,
	`select format('revoke select on %s from struct_reader', c::regclass) from unnest($1) c`,
	`select format('revoke all on %s from "Struct Writer"', c::regclass) from unnest($1) c`,
	`select format('comment on table %s is null', c::regclass) from unnest($1) c`,
	`select format('alter table %s disable row level security', c::regclass) from unnest($1) c`,
	`select format('alter table %s replica identity nothing', c::regclass) from unnest($1) c`,
	`select format('alter table %s reset (fillfactor), set (autovacuum_enabled = true)', c::regclass) from unnest($1) c`,
	`select format('drop trigger %I on %s', tgname, tgrelid::regclass) from pg_trigger where tgrelid = any($1) and not tgisinternal`,
	`select format('alter table %s %s trigger %I', tgrelid::regclass, how, tgname) from pg_trigger, unnest('{disable,enable,enable replica,enable always}'::text[]) how
		where tgrelid = any($1) and not tgisinternal`,
	`select format('alter trigger %I on %s rename to %I', tgname, tgrelid::regclass, 'named ' || oid) from pg_trigger where tgrelid = any($1) and not tgisinternal`,
	`select format('comment on trigger %I on %s is %L', tgname, tgrelid::regclass, 'why ' || oid) from pg_trigger where tgrelid = any($1) and not tgisinternal`,
	`select format('drop policy %I on %s', polname, polrelid::regclass) from pg_policy where polrelid = any($1)`,
	`select format('drop statistics %s.%I', stxnamespace::regnamespace, stxname) from pg_statistic_ext where stxrelid = any($1)`,
	`select format('alter table %s set %s', oid::regclass, case relpersistence when 'u' then 'logged' else 'unlogged' end) from pg_class where oid = any($1) and relkind = 'r'`,
}

// change makes one random change at one end; it returns what it was.
func (w *world) change(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	ctx := context.Background()
	for range 200 {
		table := pick(w, w.tables)
		var statements []string
		switch w.IntN(10) {
		case 0, 1, 2:
			statements = w.decoration(table)
		case 3:
			if !table.child {
				statements = []string{"alter table " + table.name.SQL() + " add column " + w.column(table)}
			}
		default:
			list := w.candidates(t, conn, pick(w, changesSQL))
			if len(list) > 0 {
				statements = []string{pick(w, list)}
			}
		}
		if len(statements) == 0 {
			continue
		}
		all := strings.Join(statements, "; ")
		if _, err := conn.Exec(ctx, all); err == nil {
			return all
		}
	}
	t.Fatal("none of 200 random changes worked")
	return ""
}

func (w *world) candidates(t *testing.T, conn *pgx.Conn, query string) []string {
	t.Helper()
	var names []string
	for _, n := range w.names() {
		names = append(names, n.SQL())
	}
	var oids []uint32
	err := conn.QueryRow(context.Background(), "select array_agg(to_regclass(x)::oid) from unnest($1::text[]) x", names).Scan(&oids)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(context.Background(), "with tables as (select $1::oid[]) "+query, oids)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	slices.Sort(list)
	return list
}

// What differs is found, and the statements told make it the same.
func TestMendedStructureIsTheSame(t *testing.T) {
	for seed := range seeds(3, 100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server := pgtest.Server(t)
			prov, sub := database(t, server), database(t, server)
			w := newWorld(uint64(seed)+1000, server.Programs().Major)
			w.build(prov)
			w.build(sub)
			var done []string
			for round := range 6 {
				for range 1 + w.IntN(3) {
					end, conn := "provider", prov
					if w.chance(2) {
						end, conn = "subscriber", sub
					}
					done = append(done, fmt.Sprintf("%d %s: %s", round, end, w.change(t, conn)))
				}
				w.mendAll(t, prov, sub, done)
				if t.Failed() {
					return
				}
			}
		})
	}
}

func (w *world) mendAll(t *testing.T, prov, sub *pgx.Conn, done []string) {
	t.Helper()
	var args []string
	for _, n := range w.names() {
		args = append(args, "-t", n.SQL())
	}
	found := differences(t, prov, sub, w.names())
	story := "of\n" + strings.Join(done, "\n") + "\nfound\n" + texts(found)
	if len(found) == 0 {
		if diff := firstDifference(sorted(dump(t, prov, args...)), sorted(dump(t, sub, args...))); diff != "" {
			t.Errorf("nothing found, but pg_dump tells them apart: %s\n%s", diff, story)
		}
		return
	}
	for _, d := range found {
		if len(d.SQL) == 0 && !unmendable.MatchString(d.Text) {
			t.Errorf("no statement mends: %s\n%s", d.Text, story)
		}
	}
	if failed := try(sub, found); failed != nil {
		t.Errorf("%v\n%s", failed, story)
		return
	}
	left := differences(t, prov, sub, w.names())
	if slices.ContainsFunc(left, func(d structureDifference) bool { return len(d.SQL) > 0 }) {
		t.Errorf("left after the statements:\n%s\n%s", texts(left), story)
		return
	}
	if diff := firstDifference(sorted(dump(t, prov, args...)), sorted(dump(t, sub, args...))); diff != "" && len(left) == 0 {
		t.Errorf("pg_dump tells them apart: %s\n%s", diff, story)
	}
}

// unmendable are the differences that a random change makes and no statement
// can take back.
var unmendable = regexp.MustCompile(`^list of labels of type|^attribute .* of type|has no primary key at the provider$`)

var (
	identityNothing = regexp.MustCompile(`(?m)^ALTER TABLE ONLY .* REPLICA IDENTITY NOTHING;\n\n`)
	options         = regexp.MustCompile(`(?m)^WITH \(.*\);$`)
)

// sorted is a dump with the lines of each create statement, and privileges, in
// order: a column that was added to one end stands last there.
func sorted(dump string) string {
	// The index is gone by which rows were told apart: it is as if by nothing.
	dump = identityNothing.ReplaceAllString(dump, "")
	dump = options.ReplaceAllStringFunc(dump, func(with string) string {
		list := strings.Split(strings.TrimSuffix(strings.TrimPrefix(with, "WITH ("), ");"), ", ")
		slices.Sort(list)
		return "WITH (" + strings.Join(list, ", ") + ");"
	})
	lines := strings.Split(dump, "\n")
	for i := 0; i < len(lines); i++ {
		end := i
		switch {
		case strings.HasPrefix(lines[i], "CREATE TABLE ") || strings.HasPrefix(lines[i], "CREATE UNLOGGED TABLE "):
			i++
			for end = i; end < len(lines) && !strings.HasPrefix(lines[end], ")"); end++ {
				lines[end] = strings.TrimSuffix(lines[end], ",")
			}
		case strings.HasPrefix(lines[i], "GRANT ") || strings.HasPrefix(lines[i], "REVOKE "):
			for end < len(lines) && lines[end] != "" {
				end++
			}
		default:
			continue
		}
		slices.Sort(lines[i:end])
		i = end
	}
	return canonicalDump(strings.Join(lines, "\n"))
}
