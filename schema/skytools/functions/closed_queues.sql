create or replace function skytools.closed_queues() returns int[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(queue_id), '{}') from pgq.queue
    where queue_disable_insert and current_setting('session_replication_role') <> 'replica';
$$;

comment on function skytools.closed_queues() is
'Queues that take no events now; what is due for them waits.';
