create or replace function skytools.attach_consumer(i_queue_name text, i_consumer_name text, i_lossy boolean default false)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    d skytools.detached_consumer;
    consumer int;
    position bigint;
    closing bigint;
begin
    -- Rotation locks the row while it looks who stands where: it sees this one,
    -- or is over.
    perform 1 from pgq.queue where queue_id = the_queue for share;
    -- As pgq.register_consumer_at does: whoever holds this row sees all that
    -- there is of the consumer.
    insert into pgq.consumer (co_name) values (i_consumer_name)
        on conflict (co_name) do update set co_name = excluded.co_name
        returning co_id into consumer;
    delete from skytools.detached_consumer
        where detached_queue = the_queue and detached_consumer = i_consumer_name
        returning * into d;
    if not found then
        raise exception 'consumer % of queue % is not detached', i_consumer_name, i_queue_name
            using errcode = 'undefined_object', hint = 'skytools.get_detached_consumers() lists those that are';
    elsif exists (select from pgq.subscription where sub_queue = the_queue and sub_consumer = consumer) then
        raise exception 'consumer % is registered on queue % again', i_consumer_name, i_queue_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('skytools.forget_detached(%1$L, %2$L) leaves it where it stands now; after pgq.unregister_consumer(%1$L, %2$L) it can be attached',
                    i_queue_name, i_consumer_name);
    end if;
    select tick_id into position from pgq.tick
        where tick_queue = the_queue and tick_id = d.last_tick for key share;
    if not found and not i_lossy then
        raise exception 'the events of queue % after tick %, where consumer % stood, are not all there any more',
                i_queue_name, d.last_tick, i_consumer_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'attach_consumer(queue, consumer, true) goes on with the oldest that are left; what was before is lost to it';
    elsif not found then
        select tick_id into position from pgq.tick
            where tick_queue = the_queue order by tick_id limit 1 for key share;
    end if;
    -- The batch that was open is so again, as it was: who stored its closing tick
    -- with a place inside it goes on there.
    select tick_id into closing from pgq.tick
        where tick_queue = the_queue and tick_id = d.next_tick and d.last_tick = position for key share;
    insert into pgq.subscription (sub_id, sub_queue, sub_consumer, sub_last_tick, sub_next_tick, sub_batch)
        values (d.sub_id, the_queue, consumer, position, closing, case when closing is not null then d.batch_id end);
    return position;
end;
$$;

comment on function skytools.attach_consumer(text, text, boolean) is
'Brings a detached consumer back to where it stood, with its retry events and the batch that it had open, and returns that tick. If rotation has taken events after it since, that is an error; with i_lossy it goes on with what is left. While its backlog is over the limits that detached it, the next look of maintenance does so again: raise them before.';
