package diagnosis

// The statements of checks of sequences. $1 and $2 are their schemas and names.

const sourceSequencesSQL = `
	with s as (
		select format('%I.%I', p.schemaname, p.sequencename) as called, p.last_value, p.min_value, p.max_value, c.column_name,
			least(p.max_value, c.most) as most
		from unnest($1::text[], $2::text[]) w (s, r)
		join pg_sequences p on p.schemaname = w.s and p.sequencename = w.r
		left join lateral (
			select format('%s.%I', a.attrelid::regclass, a.attname) as column_name,
				case a.atttypid when 'int2'::regtype::oid then 32767 when 'int4'::regtype::oid then 2147483647 end as most
			from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
			where d.classid = 'pg_class'::regclass::oid and d.objid = format('%I.%I', w.s, w.r)::regclass::oid
				and d.refclassid = 'pg_class'::regclass::oid and d.deptype in ('a', 'i') limit 1
		) c on true
		where p.increment_by > 0 and not p.cycle
	)
	select case when last_value >= most then 'failed' else 'warning' end, called, format('it is at %s of %s at the provider', last_value, most),
		case when most < max_value then format('alter table … alter column … type bigint (%s), at both sides', column_name)
			else format('alter sequence %s as bigint maxvalue 9223372036854775807, at both sides', called) end
	from s where last_value > 0.9 * (most::numeric - min_value) + min_value`

const targetSequencesSQL = `
	select 'failed', called, format('it is at %s at the provider, and goes from %s to %s at the subscriber', value, min_value, max_value),
		format('at the subscriber: alter sequence %s minvalue %s maxvalue %s', called, least(value, min_value), greatest(value, max_value))
	from (
		select format('%I.%I', p.schemaname, p.sequencename) as called, w.value, p.min_value, p.max_value
		from unnest($1::text[], $2::text[], $3::bigint[]) w (s, r, value)
		join pg_sequences p on p.schemaname = w.s and p.sequencename = w.r
	) s where value not between min_value and max_value
	union all
	select 'failed', format('%I.%I', w.s, w.r), format('role %I may not set it at the subscriber', current_user),
		format('grant update on sequence %I.%I to %I', w.s, w.r, current_user)
	from unnest($1::text[], $2::text[]) w (s, r) join pg_namespace n on n.nspname = w.s
	join pg_class c on c.relnamespace = n.oid and c.relname = w.r and c.relkind = 'S' where not has_sequence_privilege(c.oid, 'update')`
