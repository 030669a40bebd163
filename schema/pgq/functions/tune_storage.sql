create or replace function pgq.tune_storage(i_queue_name text) returns int
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        return 0;
    end if;
    -- Rows are never updated and tables end by TRUNCATE: nothing to vacuum.
    for i in 0 .. q.queue_ntables - 1 loop
        execute format('alter table %s set (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off)',
            pgq.quote_fqname(q.queue_data_pfx || '_' || i));
    end loop;
    return 1;
end;
$$;

comment on function pgq.tune_storage(text) is
'Sets the storage options of the queue''s event tables. Returns 1, or 0 for an unknown queue.';
