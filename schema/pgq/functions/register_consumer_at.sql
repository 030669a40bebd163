create or replace function pgq.register_consumer_at(x_queue_name text, x_consumer_name text, x_tick_pos bigint)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    queue int;
    consumer int;
    position bigint;
    sub pgq.subscription;
begin
    -- Rotation holds this row FOR NO KEY UPDATE while it deletes ticks and empties a
    -- table, thinning the ticks that it deletes: the tick chosen below is there
    -- when the registration commits.
    select queue_id into queue from pgq.queue where queue_name = x_queue_name for share;
    if not found then
        raise exception 'Event queue not created yet'
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    -- A conflict waits for the other registration and leaves its row in view.
    insert into pgq.consumer (co_name) values (x_consumer_name)
        on conflict (co_name) do update set co_name = excluded.co_name
        returning co_id into consumer;
    -- Registered anew it would pass over what it had to read, and nobody
    -- would know. Asked with the row in hand: who detaches it holds that, too.
    if skytools.detached_hint(x_queue_name, x_consumer_name) is not null then
        raise exception 'consumer % was detached from queue %', x_consumer_name, x_queue_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = skytools.detached_hint(x_queue_name, x_consumer_name);
    end if;

    select * into sub from pgq.subscription where sub_queue = queue and sub_consumer = consumer for update;
    if found and x_tick_pos is null then
        return 0;
    elsif found and skytools.coop_main(sub) is not null then
        raise exception 'consumer % is a member of a cooperative one, and has no position of its own', x_consumer_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'move the main consumer, or take the batch from the member: pgq_coop.unregister_subconsumer(queue, consumer, member, 1)';
    end if;
    select tick_id into position from pgq.tick
        where tick_queue = queue and tick_id = coalesce(x_tick_pos, tick_id)
        order by tick_id desc limit 1 for key share;
    if position is null and x_tick_pos is null then
        raise exception 'No ticks for this queue.  Please run ticker on database.'
            using errcode = 'object_not_in_prerequisite_state', hint = 'pgqadm ticker.ini ticker -d starts it';
    elsif position is null then
        raise exception 'cannot reposition, tick not found: %', x_tick_pos
            using errcode = 'undefined_object',
                hint = 'pgq.tick lists the ticks that are left; older ones went with their events';
    end if;

    update pgq.subscription
        set sub_last_tick = position, sub_batch = null, sub_next_tick = null, sub_active = now()
        where sub_queue = queue and sub_consumer = consumer;
    if found then
        perform skytools.coop_move(queue, consumer, position);
        return 0;
    end if;
    insert into pgq.subscription (sub_queue, sub_consumer, sub_last_tick)
        values (queue, consumer, position);
    return 1;
end;
$$;

comment on function pgq.register_consumer_at(text, text, bigint) is
'Registers a consumer at a tick, or moves a registered one there and drops its open batch. Returns 1 for a new one, else 0. Without a tick it is register_consumer.';
