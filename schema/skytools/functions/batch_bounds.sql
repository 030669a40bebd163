create or replace function skytools.batch_bounds(
    i_batch_id bigint, out tables text[], out opening txid_snapshot, out closing txid_snapshot, out sub_id int)
language sql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as $$
    select (select array_agg(q.queue_data_pfx || '_' || nr order by nr) from generate_series(0, q.queue_ntables - 1) nr),
        o.tick_snapshot, c.tick_snapshot, s.sub_id
    from pgq.subscription s
    join pgq.queue q on q.queue_id = s.sub_queue
    join pgq.tick o on o.tick_queue = s.sub_queue and o.tick_id = s.sub_last_tick
    join pgq.tick c on c.tick_queue = s.sub_queue and c.tick_id = s.sub_next_tick
    where s.sub_batch = i_batch_id;
$$;

comment on function skytools.batch_bounds(bigint) is
'Tables, snapshots and owner of an open batch; NULLs for an unknown one.';
