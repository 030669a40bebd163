package doctor

// The statements of [managedChecks], see [Query]. A right that nobody needs is
// told as ok, whether the role has it or not.

const createSchemaSQL = `
	select 'failed', '', format('role %I may not create schemas in database %I: install fails', current_user, current_database()),
		format('grant create on database %I to %I', current_database(), current_user)
	where not has_database_privilege(current_database(), 'create')`

const queueRolesSQL = `
	select 'warning', '', format('%s not there, and role %I may not make roles: only the owner of the schemas works with queues', string_agg(role, ', '), current_user),
		string_agg('create role ' || role, '; ') || '; then install once more, which grants them their rights'
	from unnest(array['pgq_reader', 'pgq_writer', 'pgq_admin']) role
	where to_regrole(role) is null and not (select rolcreaterole or rolsuper from pg_roles where rolname = current_user)
	having count(*) > 0`

// usersTablesSQL are tables of applications.
const usersTablesSQL = `
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p') and not c.relispartition
		and n.nspname !~ '^(pg_|pgq$|pgq_)' and n.nspname not in ('londiste', 'skytools', 'information_schema')`

const createTriggerSQL = `
	select 'warning', '', format('tables that role %I may not make triggers on: %s, %s among them', current_user, count(*), min(format('%I.%I', n.nspname, c.relname))),
		format('for each schema: grant trigger on all tables in schema … to %I, or grant its owner''s role: grant %I to %I', current_user, min(pg_get_userbyid(c.relowner)), current_user)
	` + usersTablesSQL + ` and not has_table_privilege(c.oid, 'trigger') having count(*) > 0`

const readAllSQL = `
	select 'warning', '', format('tables that role %I may not read: %s, %s among them', current_user, count(*), min(format('%I.%I', n.nspname, c.relname))),
		case when to_regrole('pg_read_all_data') is not null then format('grant pg_read_all_data to %I', current_user)
			else format('for each schema: grant usage on schema … to %I; grant select on all tables in schema … to %I', current_user, current_user) end
	` + usersTablesSQL + ` and (not has_table_privilege(c.oid, 'select') or not has_schema_privilege(n.oid, 'usage')) having count(*) > 0`

const bypassRLSSQL = `
	select 'warning', '', format('tables of which policies hide rows from role %I: %s, %s among them', current_user, count(*), min(format('%I.%I', n.nspname, c.relname))),
		format('alter role %I bypassrls, or have the tables'' owner replicate them', current_user)
	` + usersTablesSQL + ` and row_security_active(c.oid) having count(*) > 0`

const replicaRoleSQL = `
	select 'warning', '', format('role %I may not set it: londiste disables triggers instead, and applies rows under live foreign keys', current_user),
		case when current_setting('server_version_num')::int4 >= 150000 then format('grant set on parameter session_replication_role to %I', current_user)
			else 'before version 15 only a superuser may; on managed servers a role of the operator, such as rds_superuser, may hand it on' end`

const temporarySQL = `
	select 'warning', '', format('role %I may not: interrupted copies begin anew, resync of a part fails', current_user),
		format('grant temporary on database %I to %I', current_database(), current_user)
	where not has_database_privilege(current_database(), 'temp')`

const seeSessionsSQL = `
	select 'warning', '', format('role %I sees its own only', current_user), format('grant pg_monitor to %I, or pg_read_all_stats alone', current_user)
	where not pg_has_role('pg_read_all_stats', 'usage')`

const endSessionsSQL = `
	select 'warning', '', format('role %I may end its own only', current_user), format('grant pg_signal_backend to %I', current_user)
	where not pg_has_role('pg_signal_backend', 'usage')`

const identitySQL = `
	select 'failed', '', format('role %I may not call pg_control_system(): subscribers are refused', current_user),
		format('grant execute on function pg_control_system(), pg_control_checkpoint() to %I', current_user)
	where not has_function_privilege('pg_control_system()', 'execute') or not has_function_privilege('pg_control_checkpoint()', 'execute')`

const extensionsSQL = `
	select 'warning', '', format('extension pgq is installed in this database, and role %I is no member of pgq_admin', current_user), format('grant pgq_admin to %I', current_user)
	from pg_extension e where extname = 'pgq' and not coalesce(pg_has_role((select oid from pg_roles where rolname = 'pgq_admin'), 'usage'), false)
		and not exists (
			select from pg_namespace n join pg_depend d on d.classid = 'pg_namespace'::regclass::oid and d.objid = n.oid
				and d.refclassid = 'pg_extension'::regclass::oid and d.refobjid = e.oid and d.deptype = 'e'
			where n.nspname = 'skytools')
	union all
	select 'ok', '', 'the server offers ' || string_agg(name || ' ' || default_version, ', ' order by name) || '; none of them is needed', ''
	from pg_available_extensions where name in ('pgq', 'pgq_node', 'pgq_coop', 'londiste', 'plproxy', 'pg_stat_statements') having count(*) > 0`

const eventTriggersSQL = `
	select 'ok', '', format('not needed; this role may %smake them', case when rolsuper then '' else 'not ' end), '' from pg_roles where rolname = current_user
	union all
	select 'warning', '', format('event trigger %I (%s) runs for our DDL', evtname, evtevent), 'see that it lets install, add and copies pass: ' || evtfoid::regprocedure
	from pg_event_trigger t where evtenabled <> 'D'
		and not exists (select from pg_depend d where d.classid = 'pg_event_trigger'::regclass::oid and d.objid = t.oid and d.deptype = 'e')`

const superuserSQL = `
	select 'ok', '', format('not needed; this role is %s', case when rolsuper then 'one' else 'none' end), '' from pg_roles where rolname = current_user`

const replicationSQL = `
	select 'ok', '', format('not needed; this role has it: %s', rolreplication), '' from pg_roles where rolname = current_user`
