create or replace function skytools.queues()
returns void
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    id int;
begin
    -- The rows' locks keep a rotation from being overlooked, see queue_table.
    for id in select queue_id from pgq.queue order by queue_id for no key update loop
        perform skytools.queue_table(id);
        perform skytools.queue_insert(id);
    end loop;
    perform skytools.queue_dispatch();
end;
$$;
comment on function skytools.queues() is 'Makes or replaces the functions that are generated for queues.';
