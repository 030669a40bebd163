package schema

// foreignSQL lists those of the components ($1) that are held by extensions
// which are not this project's: ours has schema skytools in it. guard.sql asks
// the same, and refuses what cannot be worked with.
const foreignSQL = `select array(
	select c from unnest($1::text[]) with ordinality as x (c, nr)
	where exists (select from pg_extension e where e.extname = c)
		and not exists (select from pg_depend d
			where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
				and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
	order by nr)`

// forgetComponentsSQL forgets what was installed of components that are an
// extension's now, so that no function of it is looked for, or dropped.
func forgetComponentsSQL(names []string) string {
	list := textArray(names)
	return `delete from skytools.migration m where split_part(m.file, '/', 1) = any (` + list + `);
delete from skytools.routine r where split_part(r.file, '/', 1) = any (` + list + `);
`
}

// ownExtensionSQL is the version of this project's extension, if schema
// skytools is in it.
const ownExtensionSQL = `select coalesce((
	select e.extversion from pg_depend d join pg_extension e on e.oid = d.refobjid
	where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
		and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'), '')`
