create or replace function pgq.maint_tables_to_vacuum() returns setof text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('autovacuum') = 'on' then
        return;
    end if;
    return query
        select format('%I.%I', n.nspname, c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and (
            n.nspname = 'pgq' and c.relname in ('subscription', 'consumer', 'queue', 'tick', 'retry_queue')
            or n.nspname in ('pgq_node', 'pgq_ext', 'londiste', 'skytools'))
        order by 1;
end;
$$;

comment on function pgq.maint_tables_to_vacuum() is
'Small busy tables that somebody must vacuum; none while autovacuum does it.';
