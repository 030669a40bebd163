create or replace function skytools.queue_function_name(i_queue_id int, i_original oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    -- pgq_coop has names that pgq has, with the same arguments.
    select format('queue_%s_%s%s', i_queue_id,
            case p.pronamespace when 'pgq_coop'::regnamespace then 'pgq_coop_' else '' end, p.proname)
        from pg_proc p where p.oid = i_original
$$;

comment on function skytools.queue_function_name(int, oid) is
'Name, in schema skytools, of the function of one queue that stands for one of PgQ''s.';
