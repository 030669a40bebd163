create or replace function skytools.subscription_lock(i_queue_name text, i_consumer_name text)
returns pgq.subscription
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    the_queue int;
    the_consumer int;
    sub pgq.subscription;
begin
    -- The newest version is found first by the key; a plan made while the
    -- table was small would read all of it, dead versions too.
    select q.queue_id, c.co_id into the_queue, the_consumer
        from pgq.queue q, pgq.consumer c
        where q.queue_name = i_queue_name and c.co_name = i_consumer_name;
    -- Who finishes or opens a batch in a transaction of its own has the row for
    -- a moment, so a moment is waited. Who keeps it longer works under it, and
    -- whoever waited for that would get the batch that was just done.
    for attempt in 1 .. 6 loop
        select * into sub from pgq.subscription
            where sub_queue = the_queue and sub_consumer = the_consumer
            order by sub_active desc limit 1
            for update skip locked;
        if found then
            return sub;
        end if;
        perform 1 from pgq.subscription
            where sub_queue = the_queue and sub_consumer = the_consumer
            order by sub_active desc limit 1;
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
