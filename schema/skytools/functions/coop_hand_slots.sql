create or replace function skytools.coop_hand_slots(
    i_main pgq.subscription, i_member int,
    i_min_lag interval, i_min_count int, i_min_interval interval)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    behind bigint; -- the slot furthest behind
    free bigint;   -- and of those that nobody has
    opening pgq.tick;
    closing pgq.tick;
    share int;
    batch bigint;
begin
    select min(c.last_tick), min(c.last_tick) filter (where c.batch_id is null) into behind, free
        from skytools.coop_slot c
        where c.sub_queue = i_main.sub_queue and c.sub_consumer = i_main.sub_consumer;
    -- Rotation goes by this row. It is moved here and not by who finishes:
    -- members would wait for each other there.
    update pgq.subscription set sub_last_tick = behind, sub_active = clock_timestamp()
        where sub_queue = i_main.sub_queue and sub_consumer = i_main.sub_consumer and sub_last_tick <> behind;
    if free is null then
        return null;
    end if;
    select * into opening from pgq.tick where tick_queue = i_main.sub_queue and tick_id = free;
    if not found then
        raise exception 'PgQ corruption: Consumer % on queue % does not see tick %',
                i_main.sub_consumer, i_main.sub_queue, free
            using errcode = 'data_corrupted',
                hint = 'register_consumer_at moves the consumer to a tick that exists; events between are lost';
    end if;

    -- The lock keeps maintenance from deleting a tick that nobody points at yet.
    -- Slots that fell behind take several small ticks at once, up to what a
    -- ticker puts into one: they meet again with those ahead.
    if i_min_count is null and i_min_interval is null then
        select t.* into closing
            from pgq.tick t
            where t.tick_queue = i_main.sub_queue
                and t.tick_id = (
                    select coalesce(max(f.tick_id) filter (where f.tick_event_seq <= opening.tick_event_seq + q.queue_ticker_max_count),
                        min(f.tick_id))
                    from pgq.queue q, lateral (
                        select * from pgq.tick f where f.tick_queue = q.queue_id and f.tick_id > free
                        order by f.tick_id limit 100) f
                    where q.queue_id = i_main.sub_queue
                    group by q.queue_ticker_max_count)
            for key share of t;
    else
        select t.* into closing
            from pgq.find_tick_helper(i_main.sub_queue, free, opening.tick_time, opening.tick_event_seq,
                i_min_count, i_min_interval) h
            join pgq.tick t on t.tick_queue = i_main.sub_queue and t.tick_id = h.next_tick_id
            for key share of t;
    end if;
    if closing.tick_id is null or now() - closing.tick_time < i_min_lag then
        return null;
    end if;

    -- As many slots as fall to each member that is there: one reading of the
    -- batch serves them all.
    select ceil(k.slots::numeric / count(*)) into share
        from skytools.coop_key k
        join pgq.subscription s on s.sub_queue = k.sub_queue and s.sub_id = i_main.sub_id and s.sub_consumer <> k.sub_consumer
        where k.sub_queue = i_main.sub_queue and k.sub_consumer = i_main.sub_consumer
            and (s.sub_consumer = i_member or s.sub_batch is not null
                or s.sub_active > clock_timestamp() - interval '30 seconds')
        group by k.slots;
    batch := nextval('pgq.batch_id_seq');
    update skytools.coop_slot c set batch_id = batch, next_tick = closing.tick_id
        where c.sub_queue = i_main.sub_queue and c.sub_consumer = i_main.sub_consumer
            and c.slot in (select f.slot from skytools.coop_slot f
                where f.sub_queue = i_main.sub_queue and f.sub_consumer = i_main.sub_consumer
                    and f.batch_id is null and f.last_tick = free
                order by f.slot limit share);
    update pgq.subscription
        set sub_last_tick = free, sub_next_tick = closing.tick_id, sub_batch = batch, sub_active = clock_timestamp()
        where sub_queue = i_main.sub_queue and sub_consumer = i_member;
    return batch;
end;
$$;

comment on function skytools.coop_hand_slots(pgq.subscription, int, interval, int, interval) is
'Gives a member its share of the slots that stand furthest behind, up to their next tick. A slot is with one member at a time and goes on only when that has finished: so the events of a key are done in their order. The main row must be locked. Returns the batch, NULL for none yet.';
