create or replace function skytools.coop_hand_out(
    i_main pgq.subscription, i_member int,
    i_min_lag interval, i_min_count int, i_min_interval interval)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    names record;
    b record;
begin
    select q.queue_name as queue, c.co_name as consumer into names
        from pgq.queue q, pgq.consumer c
        where q.queue_id = i_main.sub_queue and c.co_id = i_main.sub_consumer;
    if i_main.sub_batch is not null then
        raise exception 'main consumer has batch open?'
            using errcode = 'object_in_use',
                hint = format('somebody reads as %s itself: batch %s must be finished first', names.consumer, i_main.sub_batch);
    end if;
    if exists (select from skytools.coop_key
            where sub_queue = i_main.sub_queue and sub_consumer = i_main.sub_consumer) then
        return skytools.coop_hand_slots(i_main, i_member, i_min_lag, i_min_count, i_min_interval);
    end if;

    select * into b from pgq.next_batch_custom(names.queue, names.consumer, i_min_lag, i_min_count, i_min_interval);
    if b.batch_id is null then
        return null;
    end if;
    -- The main row is past the batch at once; the member's holds its ticks and
    -- its events until it is finished.
    update pgq.subscription
        set sub_last_tick = b.cur_tick_id, sub_next_tick = null, sub_batch = null
        where sub_queue = i_main.sub_queue and sub_consumer = i_main.sub_consumer;
    update pgq.subscription
        set sub_last_tick = b.prev_tick_id, sub_next_tick = b.cur_tick_id, sub_batch = b.batch_id,
            sub_active = clock_timestamp()
        where sub_queue = i_main.sub_queue and sub_consumer = i_member;
    return b.batch_id;
end;
$$;

comment on function skytools.coop_hand_out(pgq.subscription, int, interval, int, interval) is
'Gives a member the next batch of its cooperative consumer. The main row must be locked. Returns the batch, NULL for none yet.';
