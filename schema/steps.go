package schema

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skytools-go/skytools/internal/ident"
)

// sessionSQL pins what the text of our files depends on. The search path has
// no schema a user can write to; bodies are not checked because functions
// refer to others that come later. beside: who runs the steps can leave out
// the components that are an extension's.
func sessionSQL(beside bool) string {
	return fmt.Sprintf(`set local check_function_bodies = off;
set local search_path = pg_catalog;
set local standard_conforming_strings = on;
set local client_min_messages = warning;
set local statement_timeout = 0;
set local skytools.program_version = '%d';
set local skytools.components = '%s';
set local skytools.beside = '%s';
`, Number, strings.Join(components, " "), onOff[beside])
}

var onOff = map[bool]string{true: "on", false: "off"}

// lockSQL lets one install after the other into a database. The key is ASCII
// of "skyinst".
const lockSQL = "select pg_advisory_xact_lock(32487791525786484);\n"

// schemaSQL makes one component's schema.
func schemaSQL(component string) string {
	return fmt.Sprintf("create schema if not exists %s;\n", component)
}

// withoutReferences leaves out foreign keys to tables of these components,
// which are an extension's: its owner alone may let others refer to them.
func withoutReferences(text string, components []string) string {
	if len(components) == 0 {
		return text
	}
	clause := regexp.MustCompile(`(,\s*foreign key \([\w, ]+\))? references (` + strings.Join(components, "|") +
		`)\.\w+( \([\w, ]+\))?( on delete cascade)?`)
	return clause.ReplaceAllString(text, "")
}

// migrationSQL runs a structure file unless it is listed as applied, and
// refuses when what is listed had another text. The components of foreign are
// an extension's.
func migrationSQL(f file, foreign []string) string {
	tag := "$f" + f.Sum[:12] + "$"
	return fmt.Sprintf(`do $do%[1]s$
declare
    found_sum text;
begin
    if to_regclass('skytools.migration') is not null then
        select m.sum into found_sum from skytools.migration m where m.file = %[2]s;
    end if;
    if found_sum is null then
        execute %[4]s
%[5]s%[4]s;
        insert into skytools.migration (file, sum) values (%[2]s, %[3]s);
    elsif found_sum <> %[3]s then
        raise exception 'structure file %% was applied with another text', %[2]s
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'a structure file never changes once it was applied: use the program that this database was installed with, or a later release';
    end if;
end
$do%[1]s$;
`, f.Sum[:12], ident.Literal(f.Path), ident.Literal(f.Sum), tag, withoutReferences(f.Text, foreign))
}

// forgetSQL starts the replacement of function files: it notes which functions
// they had made, all files if paths is nil, and forgets the files.
func forgetSQL(paths []string) string {
	where := ""
	if paths != nil {
		where = " where r.file = any (" + textArray(paths) + ")"
	}
	return fmt.Sprintf(`select set_config('skytools.replaced_routines',
    coalesce((select array_agg(s)::text from skytools.routine r, unnest(r.signatures) s%[1]s), '{}'), true);
delete from skytools.routine r%[1]s;
`, where)
}

// recordSQL notes the functions that f's text just made: those written by
// this transaction that no other file owns. age() counts back from the next
// transaction id, so it finds subtransactions of ours too.
func recordSQL(f file) string {
	return fmt.Sprintf(`insert into skytools.routine (file, sum, signatures)
select %s, %s, coalesce(array_agg(p.oid::regprocedure::text order by 1), '{}')
from pg_proc p
where p.pronamespace = %s::regnamespace
    and age(p.xmin) <= age(pg_current_xact_id()::xid)
    and p.oid::regprocedure::text not in (select unnest(r.signatures) from skytools.routine r);
`, ident.Literal(f.Path), ident.Literal(f.Sum), ident.Literal(f.component()))
}

// dropVanishedSQL drops what the replaced files made once and make no longer.
const dropVanishedSQL = `do $vanished$
declare
    signature text;
begin
    for signature in
        select s from unnest(current_setting('skytools.replaced_routines')::text[]) s
        except
        select unnest(r.signatures) from skytools.routine r
    loop
        execute 'drop routine if exists ' || signature;
    end loop;
end
$vanished$;
`

// finishSQL notes the version and what the grants were made from.
func finishSQL(grantsSum string) string {
	return fmt.Sprintf(`insert into skytools.installation (version, grants_sum, granted_roles)
values (%[1]d, %[2]s, %[3]s)
on conflict (only_row) do update
    set version = excluded.version, grants_sum = excluded.grants_sum,
        granted_roles = excluded.granted_roles, changed_at = now();
`, Number, ident.Literal(grantsSum), presentRolesSQL)
}

// presentRolesSQL is an expression: those of our roles that the cluster has.
const presentRolesSQL = `array(select r.rolname::text from pg_roles r
    where r.rolname in ('pgq_reader', 'pgq_writer', 'pgq_admin') order by 1)`

func textArray(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = ident.Literal(item)
	}
	return "array[" + strings.Join(quoted, ", ") + "]::text[]"
}
