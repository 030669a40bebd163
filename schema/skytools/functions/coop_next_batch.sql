create or replace function skytools.coop_next_batch(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text,
    i_dead_interval interval default null, i_min_lag interval default null,
    i_min_count int default null, i_min_interval interval default null,
    out batch_id bigint, out cur_tick_id bigint, out prev_tick_id bigint,
    out cur_tick_time timestamptz, out prev_tick_time timestamptz,
    out cur_tick_event_seq bigint, out prev_tick_event_seq bigint, out slots int[])
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    main pgq.subscription := skytools.coop_lock(i_queue_name, i_consumer_name);
    member pgq.subscription := skytools.coop_lock(i_queue_name, i_consumer_name || '.' || i_subconsumer_name);
    batch bigint;
begin
    if main.sub_id is null or member.sub_id is distinct from main.sub_id or skytools.coop_left(member) then
        perform pgq_coop.register_subconsumer(i_queue_name, i_consumer_name, i_subconsumer_name);
        main := skytools.coop_lock(i_queue_name, i_consumer_name);
        member := skytools.coop_lock(i_queue_name, i_consumer_name || '.' || i_subconsumer_name);
        if member.sub_id is null then
            raise exception 'subconsumer not found'
                using errcode = 'undefined_object', hint = 'it was unregistered at this moment: try again';
        end if;
    end if;
    batch := coalesce(member.sub_batch,
        skytools.coop_take_over(main, member.sub_consumer, i_dead_interval),
        skytools.coop_hand_out(main, member.sub_consumer, i_min_lag, i_min_count, i_min_interval));

    -- To ask again is a sign of life; while there is nothing to do it is not
    -- written at each call.
    update pgq.subscription s set sub_active = clock_timestamp()
        where s.sub_queue = main.sub_queue and s.sub_consumer = member.sub_consumer
            and (member.sub_batch is not null or s.sub_active < clock_timestamp() - interval '10 seconds');
    select s.sub_batch, closing.tick_id, opening.tick_id, closing.tick_time, opening.tick_time,
            closing.tick_event_seq, opening.tick_event_seq,
            (select array_agg(c.slot order by c.slot) from skytools.coop_slot c where c.batch_id = s.sub_batch)
        into batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time,
            cur_tick_event_seq, prev_tick_event_seq, slots
        from pgq.subscription s
        join pgq.tick opening on opening.tick_queue = s.sub_queue and opening.tick_id = s.sub_last_tick
        join pgq.tick closing on closing.tick_queue = s.sub_queue and closing.tick_id = s.sub_next_tick
        where s.sub_batch = batch;
end;
$$;

comment on function skytools.coop_next_batch(text, text, text, interval, interval, int, interval) is
'pgq_coop.next_batch with the ticks that bound the batch, and the slots of it that the member has if the consumer keeps the order of keys. To call it with a batch open returns that one and is a sign of life: a member that calls it more often than i_dead_interval is not taken for dead. Commit before the work: other members wait for this transaction.';
