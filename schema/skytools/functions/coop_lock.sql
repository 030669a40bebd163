create or replace function skytools.coop_lock(i_queue_name text, i_consumer_name text) returns pgq.subscription
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sub pgq.subscription;
begin
    select s.* into sub
        from pgq.subscription s
        join pgq.queue q on q.queue_id = s.sub_queue
        join pgq.consumer c on c.co_id = s.sub_consumer
        where q.queue_name = i_queue_name and c.co_name = i_consumer_name
        for update of s;
    return sub;
end;
$$;

comment on function skytools.coop_lock(text, text) is
'Locks a consumer''s row and returns it, NULLs for none. Of a cooperative consumer the main row comes first, then members, then slots.';
