create or replace function skytools.subscription_lock(i_queue_name text, i_consumer_name text)
returns pgq.subscription
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sub pgq.subscription;
begin
    -- Who finishes or opens a batch in a transaction of its own has the row for
    -- a moment, so a moment is waited. Who keeps it longer works under it, and
    -- whoever waited for that would get the batch that was just done.
    for attempt in 1 .. 6 loop
        select s.* into sub
            from pgq.subscription s
            join pgq.queue q on q.queue_id = s.sub_queue
            join pgq.consumer c on c.co_id = s.sub_consumer
            where q.queue_name = i_queue_name and c.co_name = i_consumer_name
            for update of s skip locked;
        if found then
            return sub;
        end if;
        perform 1
            from pgq.subscription s
            join pgq.queue q on q.queue_id = s.sub_queue
            join pgq.consumer c on c.co_id = s.sub_consumer
            where q.queue_name = i_queue_name and c.co_name = i_consumer_name;
        if not found then
            raise exception 'Not subscriber to queue: %/%', coalesce(i_queue_name, 'NULL'), coalesce(i_consumer_name, 'NULL')
                using errcode = 'undefined_object',
                    hint = coalesce(skytools.detached_hint(i_queue_name, i_consumer_name),
                        'pgq.register_consumer(queue, consumer) registers it');
        end if;
        perform pg_sleep(0.01);
    end loop;
    raise exception 'consumer % of queue % is busy', i_consumer_name, i_queue_name
        using errcode = 'lock_not_available',
            hint = 'another session has its batch in an open transaction; try again when that has ended, or share the work by pgq_coop';
end;
$$;

comment on function skytools.subscription_lock(text, text) is
'Locks a consumer''s row and returns it; an error if there is none, or if another session holds it for longer than a moment.';
