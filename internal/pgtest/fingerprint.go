package pgtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// catalogQueries write one line per object of a database. Each gives one text
// column; `user_schema` stands for the condition that a schema is no system's.
var catalogQueries = []string{
	`select format('schema %I owner %s acl %s', nspname, pg_get_userbyid(nspowner), nspacl)
	 from pg_namespace n where user_schema`,

	`select format('relation %I.%I kind %s owner %s persistence %s options %s acl %s rls %s/%s identity %s partition %s bound %s view %s',
	   nspname, relname, relkind, pg_get_userbyid(relowner), relpersistence, reloptions, relacl, relrowsecurity,
	   relforcerowsecurity, relreplident, relispartition, pg_get_expr(relpartbound, c.oid),
	   case when relkind in ('v', 'm') then md5(pg_get_viewdef(c.oid)) end)
	 from pg_class c join pg_namespace n on n.oid = relnamespace where user_schema`,

	`select format('column %I.%I.%I number %s type %s collation %s not null %s default %s identity %s generated %s acl %s',
	   nspname, relname, attname, attnum, format_type(atttypid, atttypmod), attcollation::regcollation, attnotnull,
	   pg_get_expr(adbin, adrelid), attidentity, attgenerated, attacl)
	 from pg_attribute a join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
	 left join pg_attrdef d on d.adrelid = attrelid and d.adnum = attnum
	 where attnum > 0 and not attisdropped and user_schema`,

	`select format('inherits %s from %s', inhrelid::regclass, inhparent::regclass)
	 from pg_inherits i join pg_class c on c.oid = inhrelid join pg_namespace n on n.oid = relnamespace where user_schema`,

	`select format('constraint %s on %s %s: %s valid %s', conname, conrelid::regclass, contypid::regtype, pg_get_constraintdef(k.oid), convalidated)
	 from pg_constraint k join pg_namespace n on n.oid = connamespace where user_schema`,

	`select format('index %s valid %s ready %s clustered %s identity %s', pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered, indisreplident)
	 from pg_index join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = relnamespace where user_schema`,

	`select format('trigger %s enabled %s', pg_get_triggerdef(t.oid), tgenabled)
	 from pg_trigger t join pg_class c on c.oid = tgrelid join pg_namespace n on n.oid = relnamespace
	 where not tgisinternal and user_schema`,

	`select format('function %s returns %s kind %s owner %s language %s definer %s volatile %s strict %s parallel %s config %s acl %s body %s',
	   p.oid::regprocedure, pg_get_function_result(p.oid), prokind, pg_get_userbyid(proowner), lanname, prosecdef, provolatile,
	   proisstrict, proparallel, proconfig, proacl, md5(prosrc || coalesce(probin, '')))
	 from pg_proc p join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang where user_schema`,

	`select format('type %s kind %s owner %s acl %s base %s not null %s default %s labels %s', t.oid::regtype, typtype, pg_get_userbyid(typowner), typacl,
	   typbasetype::regtype, typnotnull, typdefault, (select array_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid))
	 from pg_type t join pg_namespace n on n.oid = typnamespace where typtype <> 'c' and typcategory <> 'A' and user_schema`,

	`select format('sequence %s type %s start %s increment %s max %s min %s cache %s cycle %s', seqrelid::regclass, seqtypid::regtype,
	   seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
	 from pg_sequence join pg_class c on c.oid = seqrelid join pg_namespace n on n.oid = relnamespace where user_schema`,

	`select format('rule %s', pg_get_ruledef(r.oid))
	 from pg_rewrite r join pg_class c on c.oid = ev_class join pg_namespace n on n.oid = relnamespace where user_schema`,

	`select format('policy %s on %s command %s permissive %s roles %s using %s check %s', polname, polrelid::regclass, polcmd, polpermissive,
	   polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy`,

	`select format('comment on %s: %s', pg_describe_object(classoid, objoid, objsubid), description)
	 from pg_description where objoid >= 16384`,

	`select format('database acl %s owner %s settings %s', datacl, pg_get_userbyid(datdba),
	   (select array_agg(setconfig order by setrole) from pg_db_role_setting s where setdatabase = d.oid))
	 from pg_database d where datname = current_database()`,

	`select format('extension %s %s in %s', extname, extversion, extnamespace::regnamespace) from pg_extension`,
	`select format('event trigger %s on %s calls %s enabled %s', evtname, evtevent, evtfoid::regproc, evtenabled) from pg_event_trigger`,
	`select format('publication %s all tables %s', pubname, puballtables) from pg_publication`,
	`select format('default acl %s %s %s %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl) from pg_default_acl`,
}

const userSchema = `nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'`

// CatalogFingerprint describes every object of a database, one a line, sorted:
// schemas, relations, columns, constraints, indexes, triggers, functions (the
// hash of their source), types, policies, comments, owners and grants. Two
// equal texts show that what happened between them changed nothing; data and
// sequence values are not in it.
func CatalogFingerprint(t testing.TB, dsn string) string {
	t.Helper()
	ctx := context.Background()
	conn := ConnectPinned(t, dsn)
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "set search_path = pg_catalog"); err != nil {
		t.Fatalf("catalogue fingerprint: %v", err)
	}
	var lines []string
	for _, sql := range catalogQueries {
		rows, err := conn.Query(ctx, strings.ReplaceAll(sql, "user_schema", userSchema))
		if err != nil {
			t.Fatalf("catalogue fingerprint: %v", err)
		}
		part, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("catalogue fingerprint: %v\n%s", err, sql)
		}
		lines = append(lines, part...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}
