package doctor

// The statements of checks of a server, see [Query].

const versionSQL = `
	select 'failed', '', 'the server is version ' || current_setting('server_version'), 'upgrade it to 13 or newer'
	where current_setting('server_version_num')::int4 < 130000
	union all
	select 'failed', '', 'the server is a standby: nothing can be written here', 'connect to its primary'
	where pg_is_in_recovery()`

// connectionsSQL: ten sessions are a worker with its copies, a ticker and a
// command or two. The statistics have a database for every client and worker.
const connectionsSQL = `
	with room (what, most, used, mend) as (
		select 'the server', current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4,
			(select count(*) from pg_stat_activity where datid is not null), 'raise max_connections, which wants a restart, or end idle sessions'
		union all
		select format('database %I', datname), datconnlimit, (select count(*) from pg_stat_activity a where a.datid = d.oid),
			format('alter database %I connection limit %s', datname, datconnlimit + 10)
		from pg_database d where datname = current_database() and datconnlimit >= 0
		union all
		select format('role %I', rolname), rolconnlimit, (select count(*) from pg_stat_activity a where a.usesysid = r.oid),
			format('alter role %I connection limit %s', rolname, rolconnlimit + 10)
		from pg_roles r where rolname = current_user and rolconnlimit >= 0
	)
	select case when used >= most then 'failed' else 'warning' end, '',
		format('%s has room for %s sessions more: %s of %s are taken', what, greatest(most - used, 0), used, most), mend
	from room where most - used < 10`

const roleSQL = `
	select case when rolvaliduntil < now() then 'failed' else 'warning' end, '',
		format('the password of role %I is valid until %s', rolname, date_trunc('minute', rolvaliduntil)),
		format('alter role %I password ''…'' valid until ''infinity''', rolname)
	from pg_roles where rolname = current_user and rolvaliduntil < now() + interval '14 days'`

// settingsSQL has no other timeouts, no search_path, formats of values or the
// like: sessions of these programs set them for themselves.
const settingsSQL = `
	select result, '', format('%s is %s%s: %s', s.name, s.reset_val, s.unit, b.text), replace(mend, '{role}', quote_ident(current_user))
	from (values
		('failed', 'fsync', 'a crash of the machine can ruin the database', 'alter system set fsync = on; select pg_reload_conf()'),
		('failed', 'full_page_writes', 'a crash of the machine can ruin the database', 'alter system set full_page_writes = on; select pg_reload_conf()'),
		('failed', 'zero_damaged_pages', 'damaged rows vanish in silence, from copies too', 'alter system reset zero_damaged_pages; select pg_reload_conf()'),
		('warning', 'track_activities', 'nobody can tell which process rotation waits for', 'alter system set track_activities = on; select pg_reload_conf()'),
		('warning', 'old_snapshot_threshold', 'a long copy, or a large batch, may end with "snapshot too old"', 'alter system set old_snapshot_threshold = -1, and restart'),
		('warning', 'statement_timeout', 'daemons undo it, set-up commands obey it: install and add may be cut off', 'alter role {role} set statement_timeout = 0'),
		('warning', 'temp_file_limit', 'sorting a large batch, or building an index after a copy, may fail', 'alter role {role} set temp_file_limit = -1, as superuser')
	) b (result, name, text, mend)
	join pg_settings s on s.name = b.name
	where case b.name
		when 'zero_damaged_pages' then s.reset_val = 'on'
		when 'old_snapshot_threshold' then s.reset_val <> '-1'
		when 'statement_timeout' then s.reset_val::int8 between 1 and 300000 -- not the one of this very transaction
		when 'temp_file_limit' then s.reset_val::int8 between 0 and 1048576
		else s.reset_val = 'off' end`

const databaseCollationSQL = `
	select 'failed', '', format('database %I was made with version %s of its collation, the system has %s', datname, datcollversion, pg_database_collation_actual_version(oid)),
		format('reindex database %I; alter database %I refresh collation version', datname, datname)
	from pg_database where datname = current_database() and datcollversion <> coalesce(pg_database_collation_actual_version(oid), '')`

// collationsSQL looks at collations that a column or index names.
const collationsSQL = `
	select 'failed', '', format('collation %s was made with version %s, the system has %s', c.oid::regcollation, collversion, pg_collation_actual_version(c.oid)),
		format('reindex what uses it; alter collation %s refresh version', c.oid::regcollation)
	from pg_collation c
	where collversion <> coalesce(pg_collation_actual_version(c.oid), '')
		and exists (select from pg_depend where refclassid = 'pg_collation'::regclass::oid and refobjid = c.oid)`

// transactionsSQL: those that have written hold up rotation, any with a snapshot
// holds up vacuum. What the statistics hide from this role has no rows.
const transactionsSQL = `
	select 'warning', '', format('process %s of %s (%s) has been in a transaction for %s, %s: %s', pid, usename, coalesce(nullif(application_name, ''), 'no application_name'),
			date_trunc('second', clock_timestamp() - xact_start), state, left(regexp_replace(query, '\s+', ' ', 'g'), 80)),
		format('select pg_terminate_backend(%s)', pid)
	from pg_stat_activity
	where pid <> pg_backend_pid() and (backend_xid is not null or backend_xmin is not null)
		and backend_type = 'client backend' and xact_start < clock_timestamp() - make_interval(secs => $1)
	union all
	select 'warning', '', format('transaction %L of %s in database %I was prepared %s ago', gid, owner, database, date_trunc('second', clock_timestamp() - prepared)),
		format('in database %I: rollback prepared %L, or commit it', database, gid)
	from pg_prepared_xacts where prepared < clock_timestamp() - make_interval(secs => $1)`

// slotsSQL: feedback of a standby shows as a slot's xmin, or its sender's.
const slotsSQL = `
	select 'warning', '', format('replication slot %s is not in use and keeps %s of WAL', slot_name,
			case when pg_is_in_recovery() then 'some' else pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) end),
		format('start what reads it, or select pg_drop_replication_slot(%L)', slot_name)
	from pg_replication_slots where not active and restart_lsn is not null
	union all
	select 'warning', '', format('replication slot %s keeps rows that died %s transactions ago', slot_name, n),
		'see what its reader waits for, and hot_standby_feedback of its standby'
	from pg_replication_slots, greatest(age(xmin), age(catalog_xmin)) n where active and n > 50000000
	union all
	select 'warning', '', format('standby %s keeps rows that died %s transactions ago', coalesce(nullif(application_name, ''), host(client_addr)), age(backend_xmin)),
		'end its long queries, or set hot_standby_feedback = off there'
	from pg_stat_replication where age(backend_xmin) > 50000000`

// wraparoundSQL warns where autovacuum should have come, and has not.
const wraparoundSQL = `
	with d as (
		select datname, n, what, current_setting(setting)::int8 as most
		from pg_database,
			lateral (values ('transaction ids', age(datfrozenxid), 'autovacuum_freeze_max_age'),
				('multixact ids', mxid_age(datminmxid), 'autovacuum_multixact_freeze_max_age')) v (what, n, setting)
	)
	select case when n > 1500000000 then 'failed' else 'warning' end, '',
		format('database %I holds %s of %s transactions ago; the server stops at 2100 million', datname, what, n),
		format('vacuumdb --freeze %I, after ending what the checks transactions and slots name', datname)
	from d where n > least(1.5 * most, 1500000000)`

// diskSQL tells what can be told without a superuser: how much is free is not.
const diskSQL = `
	with s as (
		select coalesce(sum(pg_total_relation_size(c.oid)) filter (where n.nspname = 'pgq' and c.relname ~ '^event_'), 0)::int8 as events,
			coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 as whole
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'm')
	)
	select case when events > $1::int8 and events > whole / 2 then 'warning' else 'ok' end, '',
		format('%s in the database, %s of it event tables', pg_size_pretty(whole), pg_size_pretty(events)),
		case when events > $1::int8 and events > whole / 2 then 'see the checks rotation, consumers and transactions for what holds them; how much is free tells df on the server' else '' end
	from s`
