create or replace function skytools.capture_fingerprint(i_table oid, i_capture_id int)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Triggers are those of this one capture: another queue may capture the same
-- table. A JSON object, one entry a fact, so that two of them can be compared fact by
-- fact and the difference said in words.
select jsonb_object_agg(f.fact, f.value)::text
  from pg_class t
 cross join lateral (
    select 'name' as fact, (select identity from pg_identify_object('pg_class'::regclass, t.oid, 0)) as value
    union all
    select 'persistence', case t.relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end
    union all
    select 'row level security', case when t.relforcerowsecurity then 'forced' when t.relrowsecurity then 'on' else 'off' end
    union all
    select 'primary key', coalesce((select pg_get_constraintdef(k.oid) from pg_constraint k
                                     where k.conrelid = t.oid and k.contype = 'p'), 'none')
    union all
    select 'column ' || quote_ident(a.attname),
           format_type(a.atttypid, a.atttypmod)
           || case when a.attcollation not in (0, y.typcollation)
                   then ' collate ' || (select identity from pg_identify_object('pg_collation'::regclass, a.attcollation, 0)) else '' end
           || case when a.attnotnull then ' not null' else '' end
           || case a.attidentity when 'a' then ' identity always' when 'd' then ' identity' else '' end
           || case when a.attgenerated <> '' then ' generated' else '' end
      from pg_attribute a join pg_type y on y.oid = a.atttypid
     where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    union all
    select 'parent ' || i.inhparent::regclass, 'yes' from pg_inherits i where i.inhrelid = t.oid
    union all
    select 'child ' || i.inhrelid::regclass, 'yes' from pg_inherits i where i.inhparent = t.oid and t.relkind <> 'p'
    union all
    -- A trigger of a partition can be switched off there alone.
    select 'partition ' || p.called,
           coalesce((select string_agg(substring(o.proname from '[a-z]+$') || case g.tgenabled when 'O' then '' else ' off' end, ', ' order by o.proname)
                       from pg_trigger g join pg_proc o on o.oid = g.tgfoid and o.pronamespace = 'skytools'::regnamespace
                      where g.tgrelid = p.oid and o.proname ~ ('^capture_' || i_capture_id || '_')), 'no trigger')
      from skytools.capture_parts(t.oid) p
    union all
    select 'trigger ' || quote_ident(g.tgname),
           case g.tgenabled when 'O' then 'on' when 'D' then 'disabled' when 'R' then 'replica' else 'always' end
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid
     where g.tgrelid = t.oid and p.pronamespace = 'skytools'::regnamespace and p.proname ~ ('^capture_' || i_capture_id || '_')
 ) f
 where t.oid = i_table;
$$;
comment on function skytools.capture_fingerprint(oid, int) is
    'What capture relies on in a table, as a JSON object: columns, key, parents and children, trigger states, persistence, row security.';
