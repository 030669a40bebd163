package diagnosis

// roleSQL: schemas that were installed by another role.
const roleSQL = `
	select 'failed', '', format('schema %s belongs to %I, and role %I is no member of it', nspname, pg_get_userbyid(nspowner), current_user),
		format('grant %I to %I, or use that role in the connection string', pg_get_userbyid(nspowner), current_user)
	from pg_namespace where nspname = 'skytools' and not pg_has_role(nspowner, 'usage')`
