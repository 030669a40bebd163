create or replace function skytools.detach_consumer(i_queue_id int, i_sub_id int, i_max_age interval, i_max_bytes bigint)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    queue text := (select queue_name from pgq.queue where queue_id = i_queue_id);
    b record;
    over text;
    sub pgq.subscription;
begin
    -- Who registers or attaches the consumer holds this row: it has one
    -- subscription. Nobody is waited for, the next look comes.
    perform 1 from pgq.consumer
        where co_id in (select sub_consumer from pgq.subscription where sub_queue = i_queue_id and sub_id = i_sub_id)
        for no key update skip locked;
    if not found then
        return false;
    end if;
    -- One that is at work this moment is let go on until the next look. First
    -- members register under this lock, too.
    select * into sub from pgq.subscription
        where sub_queue = i_queue_id and sub_id = i_sub_id for update skip locked;
    if not found or skytools.is_cooperative(i_queue_id, i_sub_id) then
        return false;
    end if;
    -- Read under the lock: it may have moved on before.
    select * into b from skytools.backlogs(i_queue_id, i_sub_id);
    over := skytools.backlog_over(b.age, b.bytes, i_max_age, i_max_bytes);
    if over is null or b.last_tick is null then
        return false;
    end if;
    insert into skytools.detached_consumer (detached_queue, detached_consumer, sub_id, last_tick, next_tick, batch_id,
            tick_time, backlog_age, backlog_bytes, reason)
        values (i_queue_id, b.consumer_name, i_sub_id, sub.sub_last_tick, sub.sub_next_tick, sub.sub_batch,
            b.tick_time, b.age, b.bytes, over);
    delete from pgq.subscription where sub_queue = i_queue_id and sub_consumer = sub.sub_consumer;
    perform skytools.consumer_drop(sub.sub_consumer);
    delete from skytools.backlog_warning where warn_queue = i_queue_id and warn_consumer = b.consumer_name;
    raise warning 'queue %: consumer % is detached at tick %, its backlog of %, % bytes is %', queue, b.consumer_name,
            b.last_tick, date_trunc('second', b.age), b.bytes, over
        using errcode = 'configuration_limit_exceeded',
            hint = format('skytools.attach_consumer(%L, %L) brings it back, without loss until rotation has emptied the tables it had to read',
                queue, b.consumer_name);
    perform skytools.backlog_notify(queue, b.consumer_name, 'detach', b.age, b.bytes);
    return true;
end;
$$;

comment on function skytools.detach_consumer(int, int, interval, bigint) is
'Takes a consumer whose backlog is over a limit from its queue, and notes where it stood, with the batch that it has open; its retry events and dead letters stay. A cooperative consumer is left alone: where each member and slot stands would be lost. Returns whether it did.';
