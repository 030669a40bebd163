create or replace function skytools.coop_take_over(
    i_main pgq.subscription, i_member int, i_dead_interval interval)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    silent pgq.subscription;
    batch bigint;
begin
    -- A member whose row is locked is alive: it is just finishing.
    select s.* into silent
        from pgq.subscription s
        where s.sub_queue = i_main.sub_queue and s.sub_id = i_main.sub_id
            and s.sub_consumer not in (i_main.sub_consumer, i_member)
            and s.sub_batch is not null
            and (skytools.coop_left(s) or s.sub_active < clock_timestamp() - i_dead_interval)
        order by s.sub_last_tick, s.sub_batch limit 1
        for update skip locked;
    if not found then
        return null;
    end if;
    -- The number is the fence: what the silent member still does under the old
    -- one finds no batch.
    batch := skytools.coop_batch_id(i_main.sub_queue, silent.sub_last_tick);
    insert into skytools.coop_taken (batch_id, queue_name, consumer_name, member_name, taken_by, new_batch)
        select silent.sub_batch, q.queue_name, main.co_name, old.co_name, new.co_name, batch
        from pgq.queue q, pgq.consumer main, pgq.consumer old, pgq.consumer new
        where q.queue_id = i_main.sub_queue and main.co_id = i_main.sub_consumer
            and old.co_id = silent.sub_consumer and new.co_id = i_member;
    delete from skytools.coop_taken where taken_at < now() - interval '1 month';
    delete from pgq.subscription where sub_queue = silent.sub_queue and sub_consumer = silent.sub_consumer;
    perform skytools.consumer_drop(silent.sub_consumer);
    update pgq.subscription
        set sub_batch = batch, sub_last_tick = silent.sub_last_tick, sub_next_tick = silent.sub_next_tick,
            sub_active = clock_timestamp()
        where sub_queue = i_main.sub_queue and sub_consumer = i_member;
    update skytools.coop_slot set batch_id = batch where batch_id = silent.sub_batch;
    return batch;
end;
$$;

comment on function skytools.coop_take_over(pgq.subscription, int, interval) is
'Gives a member the open batch of another that has been silent for the interval, or that was unregistered, under a new number. The main row must be locked. Returns the number, NULL if there is no such batch.';
