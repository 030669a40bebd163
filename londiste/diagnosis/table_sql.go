package diagnosis

// The statements of checks of tables, see [tableSQL]: {table} in what mends is
// the table, as a shell takes it.

// wantedSQL are the tables looked at (w), and with them their partitions (part).
const wantedSQL = `
	with recursive w as (
		select t.s, t.r, format('%I.%I', t.s, t.r) as called, n.oid as nsp, c.oid, c.relkind, c.relpersistence, c.relowner
		from unnest($1::text[], $2::text[]) t (s, r)
		left join pg_namespace n on n.nspname = t.s
		left join pg_class c on c.relnamespace = n.oid and c.relname = t.r and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
	), part as (
		select oid as root, oid, called from w where relkind in ('r', 'p')
		union
		select p.root, i.inhrelid, p.called
		from part p join pg_class c on c.oid = p.root and c.relkind = 'p' join pg_inherits i on i.inhparent = p.oid
	)`

// tablesSQL finds what skytools.capture_table refuses whatever the rights are.
const tablesSQL = `
	select 'failed', called, 'it does not exist at the provider', 'look at the name: one without a schema means public''s, capitals are kept as typed'
	from w where oid is null
	union all
	select 'failed', called, 'it belongs to the machinery', 'name the tables of your application'
	from w where oid is not null and s in ('pg_catalog', 'information_schema', 'pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste', 'skytools')
	union all
	select 'failed', called, format('it is a %s, not a table', case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'sequence' end),
		case relkind when 'S' then 'londiste INI provider add-seq {table}' else 'name the tables that it reads' end
	from w where relkind not in ('r', 'p')
	union all
	select 'failed', called, 'it is temporary: its own session alone sees it', 'name a table that stays'
	from w where relkind in ('r', 'p') and relpersistence = 't'
	union all
	select 'failed', p.called, format('its partition %s is a foreign table: rows change there where no trigger is', p.oid::regclass),
		format('alter table %s detach partition %s', (select inhparent::regclass from pg_inherits where inhrelid = p.oid), p.oid::regclass)
	from part p join pg_class c on c.oid = p.oid where c.relkind = 'f'
	union all
	select 'failed', w.called, format('it is a partition of %s: each row would be told twice', o.called), format('add %s alone', o.called)
	from w, pg_partition_ancestors(w.oid) a, w o where w.relkind in ('r', 'p') and a.relid::oid = o.oid and o.oid <> w.oid`

const columnsSQL = `
	select 'warning', w.called, format('column %I is of type %s: %s', a.attname, format_type(a.atttypid, null),
			case when a.atttypid = 'oid'::regtype::oid then 'if it names large objects, these are not replicated'
				when a.atttypid in ('xid'::regtype::oid, 'xid8'::regtype::oid, 'cid'::regtype::oid, 'tid'::regtype::oid, 'pg_lsn'::regtype::oid) then 'it means something on this server only'
				else 'what it names must be at the subscriber too' end),
		case when a.atttypid = 'oid'::regtype::oid then format('keep the content itself: alter table %s add column … bytea', w.called)
			else format('alter table %s alter column %I type text', w.called, a.attname) end
	from w join pg_attribute a on a.attrelid = w.oid join pg_type t on t.oid = a.atttypid
	where w.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and t.typnamespace = 'pg_catalog'::regnamespace::oid
		and (t.typname ~ '^reg' or t.typname in ('oid', 'xid', 'xid8', 'cid', 'tid', 'pg_lsn'))`

const sourceRightsSQL = `
	select 'failed', called, format('role %I may not use schema %I', current_user, s), format('grant usage on schema %I to %I', s, current_user)
	from w where nsp is not null and not has_schema_privilege(nsp, 'usage')
	union all
	select 'failed', p.called, format('role %I lacks %s on %s', current_user, r.lacks, p.oid::regclass), format('grant %s on %s to %I', r.lacks, p.oid::regclass, current_user)
	from part p, lateral (select string_agg(r, ', ') as lacks from unnest(array['select', 'trigger']) r where not has_table_privilege(p.oid, r)) r
	where r.lacks is not null
	union all
	select 'failed', called, format('row level security hides rows of it from role %I', current_user),
		format('alter role %I bypassrls, or let the owner add the table: %s', current_user, pg_get_userbyid(relowner))
	from w where relkind in ('r', 'p') and row_security_active(oid)`

const sourceOwnersSQL = `
	select 'warning', called, format('it belongs to %I, and role %I is no member of it', pg_get_userbyid(relowner), current_user),
		format('grant %I to %I', pg_get_userbyid(relowner), current_user)
	from w where relkind in ('r', 'p') and not pg_has_role(relowner, 'usage')`

const targetTablesSQL = `
	select 'warning', called, 'it is not there yet', 'londiste INI subscriber add {table} --create'
	from w where oid is null`

const targetRightsSQL = `
	select 'failed', called, format('role %I may not create it: no right to create schema %I', current_user, s), format('grant create on database %I to %I', current_database(), current_user)
	from w where nsp is null and not has_database_privilege(current_database(), 'create')
	union all
	select 'failed', called, format('role %I may not create it in schema %I', current_user, s), format('grant usage, create on schema %I to %I', s, current_user)
	from w where nsp is not null and oid is null and not has_schema_privilege(nsp, 'create')
	union all
	select 'failed', called, format('role %I may not use schema %I', current_user, s), format('grant usage on schema %I to %I', s, current_user)
	from w where oid is not null and not has_schema_privilege(nsp, 'usage')
	union all
	select 'failed', called, 'it is not a table', 'drop or rename it'
	from w where relkind not in ('r', 'p')
	union all
	select 'failed', called, format('it belongs to %I, and role %I is no member of it', pg_get_userbyid(relowner), current_user),
		format('grant %I to %I, or alter table %s owner to %I', pg_get_userbyid(relowner), current_user, called, current_user)
	from w where relkind in ('r', 'p') and not pg_has_role(relowner, 'usage')
	union all
	select 'failed', called, format('role %I lacks %s', current_user, r.lacks), format('grant %s on %s to %I', r.lacks, called, current_user)
	from w, lateral (select string_agg(r, ', ') as lacks
		from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) r where not has_table_privilege(w.oid, r)) r
	where relkind in ('r', 'p') and pg_has_role(relowner, 'usage') and r.lacks is not null
	union all
	select 'failed', called, format('row level security hides rows of it from role %I', current_user),
		format('alter table %s no force row level security, or alter role %I bypassrls', called, current_user)
	from w where relkind in ('r', 'p') and row_security_active(oid)`

// triggersSQL: $3 tells whether the worker sets session_replication_role.
const triggersSQL = `
	select 'warning', w.called, format('trigger %I is enabled %s: it fires on replicated rows', t.tgname, case t.tgenabled when 'A' then 'always' else 'for replicas' end),
		format('alter table %s %s trigger %I', w.called, case t.tgenabled when 'A' then 'enable' else 'disable' end, t.tgname)
	from w join pg_trigger t on t.tgrelid = w.oid join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
	where $3 and not t.tgisinternal and t.tgenabled in ('A', 'R') and n.nspname <> 'skytools'
	union all
	select 'warning', w.called, format('trigger %I fires on replicated rows: role %I may not set session_replication_role', t.tgname, current_user),
		format('grant set on parameter session_replication_role to %I (from 15 on), or alter table %s disable trigger %I, as subscriber add does', current_user, w.called, t.tgname)
	from w join pg_trigger t on t.tgrelid = w.oid join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
	where not $3 and not t.tgisinternal and t.tgenabled in ('A', 'O') and n.nspname <> 'skytools'
	union all
	select 'failed', w.called, format('rule %I rewrites the statements that bring rows', r.rulename), format('drop rule %I on %s', r.rulename, w.called)
	from w join pg_rewrite r on r.ev_class = w.oid
	where w.relkind in ('r', 'p') and r.ev_type <> '1' and (r.ev_type = '2' or r.ev_enabled = 'A' or r.ev_enabled = case when $3 then 'R' else 'O' end)`

// keysSQL judges tables that are not captured yet by their indexes, others by
// what their capture goes by.
const keysSQL = `
	, k as (
		select i.indrelid, x.relname, i.indisprimary, i.indimmediate,
			(select string_agg(format('alter column %I set not null', a.attname), ', ') from pg_attribute a
				where a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[]) and not a.attnotnull) as nullable
		from w join pg_index i on i.indrelid = w.oid join pg_class x on x.oid = i.indexrelid
		where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
	), best as (
		select w.*, c.key_columns, c.table_name is not null as captured,
			key.relname, key.indisprimary, key.indimmediate, key.nullable
		from w left join captured c on c.table_schema = w.s and c.table_name = w.r
		left join lateral (select * from k where k.indrelid = w.oid order by k.indisprimary desc, k.nullable is not null, k.relname limit 1) key on true
		where w.relkind in ('r', 'p')
	)
	select 'failed', called, 'it has no key', format('alter table %s add primary key (…), or londiste INI provider add {table} --no-key: rows are told apart by all columns', called)
	from best where not captured and relname is null
	union all
	select 'failed', called, format('its unique index %I is on columns that may be NULL', relname),
		format('alter table %s %s, then londiste INI provider add {table} --key %s', called, nullable, relname)
	from best where not captured and nullable is not null
	union all
	select 'warning', called, format('it has no primary key, but unique index %I', relname), format('londiste INI provider add {table} --key %s', relname)
	from best where not captured and not indisprimary and nullable is null
	union all
	select 'warning', called, 'its rows are told apart by all columns: deletes read the subscriber''s table',
		format('alter table %s add primary key (…) at both sides, then londiste INI provider add {table}', called)
	from best where captured and key_columns = '{}'
	union all
	select 'warning', called, format('its key %I is deferrable: the server takes no such for on conflict, and rows are looked up instead', relname),
		'nothing, if a statement needs it so; else make the constraint anew, not deferrable'
	from best where indisprimary and not indimmediate`

const nothingCapturedSQL = `, captured as (select null::text as table_schema, null::text as table_name, null::text[] as key_columns where false)`

const capturedSQL = `, captured as (select table_schema, table_name, key_columns from skytools.capture where queue_name = $3)`

// bypassSQL: a database's or role's setting, and native subscriptions, whose
// workers are replicas always. Of pg_subscription a role may not read all before 14.
const bypassSQL = `
	select 'failed', '', format('%s has session_replication_role = replica',
			concat_ws(' in ', case when r.oid is not null then format('role %I', r.rolname) end, case when d.oid is not null then format('database %I', d.datname) end)),
		case when r.oid is null then format('alter database %I reset session_replication_role', d.datname)
			else format('alter role %I%s reset session_replication_role', r.rolname, case when d.oid is not null then format(' in database %I', d.datname) else '' end) end
	from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
	where 'session_replication_role=replica' = any (s.setconfig) and (s.setdatabase = 0::oid or d.datname = current_database())
	union all
	select 'failed', '', 'the server has session_replication_role = replica for everybody', 'alter system reset session_replication_role; select pg_reload_conf()'
	from pg_settings where name = 'session_replication_role' and setting = 'replica' and source in ('configuration file', 'command line')
	union all
	select 'failed', p.called, format('subscription %I of native replication writes to it, as a replica', s.subname),
		format('replicate from where that one comes from, or drop subscription %I', s.subname)
	from part p join pg_subscription_rel sr on sr.srrelid = p.oid,
		lateral (select subname from pg_stat_subscription where subid = sr.srsubid limit 1) s`
