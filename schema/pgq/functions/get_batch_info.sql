create or replace function pgq.get_batch_info(
    x_batch_id bigint,
    out queue_name text, out consumer_name text, out batch_start timestamptz, out batch_end timestamptz,
    out prev_tick_id bigint, out tick_id bigint, out lag interval, out seq_start bigint, out seq_end bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as $$
begin
    select q.queue_name, c.co_name, opening.tick_time, closing.tick_time, s.sub_last_tick, s.sub_next_tick,
            now() - closing.tick_time, opening.tick_event_seq, closing.tick_event_seq
        into queue_name, consumer_name, batch_start, batch_end, prev_tick_id, tick_id,
            lag, seq_start, seq_end
        from pgq.subscription s
        join pgq.queue q on q.queue_id = s.sub_queue
        join pgq.consumer c on c.co_id = s.sub_consumer
        left join pgq.tick opening on opening.tick_queue = s.sub_queue and opening.tick_id = s.sub_last_tick
        left join pgq.tick closing on closing.tick_queue = s.sub_queue and closing.tick_id = s.sub_next_tick
        where s.sub_batch = x_batch_id;
end;
$$;

comment on function pgq.get_batch_info(bigint) is
'Whose batch it is and which ticks bound it; NULLs for an unknown one.';
