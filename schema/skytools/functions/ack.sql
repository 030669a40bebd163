create or replace function skytools.ack(i_queue_name text, i_consumer_name text, i_tick_id bigint, i_epoch bigint)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as
$$
declare
    the_queue int;
    the_consumer int;
    seen timestamptz;
begin
    -- The claim is held against a takeover until this commits.
    perform 1 from skytools.claim
        where queue_name = i_queue_name and consumer_name = i_consumer_name and epoch = i_epoch
        for share;
    if not found then
        return false;
    end if;
    select q.queue_id, c.co_id into the_queue, the_consumer
        from pgq.queue q, pgq.consumer c
        where q.queue_name = i_queue_name and c.co_name = i_consumer_name;
    if not found then
        return false;
    end if;
    perform 1 from pgq.tick where tick_queue = the_queue and tick_id = i_tick_id for key share;
    if not found then
        raise exception 'tick not found: %', i_tick_id using errcode = 'undefined_object',
                hint = 'pgq.tick lists the ticks of the queue';
    end if;
    select sub_active into seen from pgq.subscription
        where sub_queue = the_queue and sub_consumer = the_consumer
        order by sub_active desc limit 1
        for update;
    -- A batch left open by whoever had the consumer before ends here.
    update pgq.subscription
        set sub_last_tick = greatest(sub_last_tick, i_tick_id), sub_active = clock_timestamp(),
            sub_batch = null, sub_next_tick = null
        where sub_queue = the_queue and sub_consumer = the_consumer and sub_active = seen;
    return found;
end;
$$;

comment on function skytools.ack(text, text, bigint, bigint) is
'A worker tells how far it has applied: moves the consumer forward, never back, if the worker''s claim of that epoch still holds, and returns whether it did.';
