create or replace function skytools.coop_lock(i_queue_name text, i_consumer_name text) returns pgq.subscription
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    the_queue int;
    the_consumer int;
    sub pgq.subscription;
begin
    select q.queue_id, c.co_id into the_queue, the_consumer
        from pgq.queue q, pgq.consumer c
        where q.queue_name = i_queue_name and c.co_name = i_consumer_name;
    select * into sub from pgq.subscription
        where sub_queue = the_queue and sub_consumer = the_consumer
        order by sub_active desc limit 1 -- as in subscription_lock
        for update;
    return sub;
end;
$$;

comment on function skytools.coop_lock(text, text) is
'Locks a consumer''s row and returns it, NULLs for none. Of a cooperative consumer the main row comes first, then members, then slots.';
