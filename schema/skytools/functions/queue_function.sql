create or replace function skytools.queue_function(i_queue_id int, i_original regprocedure) returns regprocedure
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    p pg_proc;
    twin text;
    types text;
    owned text;
    call text;
begin
    select * into strict p from pg_proc where oid = i_original;
    twin := format('skytools.%I', skytools.queue_function_name(i_queue_id, i_original));
    types := pg_get_function_identity_arguments(i_original);
    -- The first argument passes through a check that it is this queue's.
    owned := format('skytools.%s(%s, $1)',
        case p.proargtypes[0] when 'text'::regtype then 'own_queue' else 'own_batch' end, i_queue_id);
    select string_agg(case nr when 1 then owned else '$' || nr end, ', ' order by nr) into call
        from generate_series(1, p.pronargs) nr;
    execute format('create or replace function %s(%s) returns %s language sql volatile security definer'
            || ' set search_path = pg_catalog, pgq, pg_temp as %L',
        twin, pg_get_function_arguments(i_original), pg_get_function_result(i_original),
        format('select * from %s(%s)', p.pronamespace::regnamespace::text || '.' || quote_ident(p.proname), call));
    execute format('comment on function %s(%s) is %L', twin, types,
        format('%s.%s for those who have rights on this queue only.', p.pronamespace::regnamespace, p.proname));
    return format('%s(%s)', twin, (select string_agg(format_type(t, null), ', ' order by nr)
        from unnest(p.proargtypes::oid[]) with ordinality a (t, nr)))::regprocedure;
end;
$$;

comment on function skytools.queue_function(int, regprocedure) is
'Makes, or replaces, the function of one queue that stands for one of PgQ''s, and returns it.';
