create or replace function pgq.next_batch_custom(
    i_queue_name text, i_consumer_name text, i_min_lag interval, i_min_count int, i_min_interval interval,
    out batch_id bigint, out cur_tick_id bigint, out prev_tick_id bigint,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq bigint, out prev_tick_event_seq bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as $$
declare
    sub pgq.subscription;
begin
    -- Two calls for one consumer get the same batch: the second finds it open.
    sub := skytools.subscription_lock(i_queue_name, i_consumer_name);
    select t.tick_id, t.tick_time, t.tick_event_seq
        into prev_tick_id, prev_tick_time, prev_tick_event_seq
        from pgq.tick t where t.tick_queue = sub.sub_queue and t.tick_id = sub.sub_last_tick;
    if not found then
        raise exception 'PgQ corruption: Consumer % on queue % does not see tick %',
                i_consumer_name, i_queue_name, sub.sub_last_tick
            using errcode = 'data_corrupted',
                hint = 'register_consumer_at moves the consumer to a tick that exists; events between are lost';
    end if;

    if sub.sub_batch is not null then
        cur_tick_id := sub.sub_next_tick;
    elsif exists (select from skytools.coop_key k where k.sub_queue = sub.sub_queue and k.sub_consumer = sub.sub_consumer) then
        raise exception 'consumer % is read by its members, in the order of keys', i_consumer_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'call pgq_coop.next_batch(queue, consumer, member), or skytools.coop_set_key(queue, consumer, null) to end that';
    elsif i_min_count is not null or i_min_interval is not null then
        select h.next_tick_id into cur_tick_id
            from pgq.find_tick_helper(sub.sub_queue, prev_tick_id, prev_tick_time, prev_tick_event_seq,
                i_min_count, i_min_interval) h;
    else
        select t.tick_id into cur_tick_id from pgq.tick t
            where t.tick_queue = sub.sub_queue and t.tick_id > prev_tick_id
            order by t.tick_id limit 1;
    end if;
    -- The lock keeps maintenance from deleting a tick that nobody points at yet.
    select t.tick_id, t.tick_time, t.tick_event_seq into cur_tick_id, cur_tick_time, cur_tick_event_seq
        from pgq.tick t where t.tick_queue = sub.sub_queue and t.tick_id = cur_tick_id for key share;
    if sub.sub_batch is not null then
        batch_id := sub.sub_batch;
        return;
    end if;
    if cur_tick_id is null or now() - cur_tick_time < i_min_lag then
        cur_tick_id := null;
        prev_tick_id := null;
        cur_tick_time := null;
        prev_tick_time := null;
        cur_tick_event_seq := null;
        prev_tick_event_seq := null;
        return;
    end if;

    batch_id := nextval('pgq.batch_id_seq');
    update pgq.subscription s
        set sub_batch = next_batch_custom.batch_id, sub_next_tick = cur_tick_id, sub_active = clock_timestamp()
        where s.sub_queue = sub.sub_queue and s.sub_consumer = sub.sub_consumer and s.sub_active = sub.sub_active;
end;
$$;

comment on function pgq.next_batch_custom(text, text, interval, int, interval) is
'Opens the consumer''s next batch, or returns the one that is open. With limits the batch ends at least i_min_lag ago and spans at least i_min_count events or i_min_interval; batch_id is NULL while there is none such. While another session holds the consumer in an open transaction it is busy, an error.';
