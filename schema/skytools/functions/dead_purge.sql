create or replace function skytools.dead_purge(
    i_queue_name text, i_consumer_name text, i_older_than interval default '0')
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    purged int;
begin
    delete from skytools.dead_event
        where dead_queue = the_queue
            and (dead_consumer = i_consumer_name or i_consumer_name is null)
            and dead_time <= now() - i_older_than;
    get diagnostics purged = row_count;
    return purged;
end;
$$;

comment on function skytools.dead_purge(text, text, interval) is
'Deletes dead letters of a consumer, NULL: of all, that are older than a time. Returns how many.';
