create or replace function skytools.backlogs(
    i_queue_id int, i_sub_id int default null,
    out consumer_name text, out sub_id int, out last_tick bigint, out tick_time timestamptz,
    out age interval, out bytes bigint)
returns setof record
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    -- Where a cooperative consumer stands its slowest member does. The main
    -- one has the shortest name.
    with stand as (
        select s.sub_id, min(s.sub_last_tick) as last_tick,
            (array_agg(c.co_name order by length(c.co_name)))[1] as consumer_name
        from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
        where s.sub_queue = i_queue_id and (s.sub_id = i_sub_id or i_sub_id is null)
        group by s.sub_id
    ), tables as (
        select sum(pg_total_relation_size(to_regclass(q.queue_data_pfx || '_' || nr))) as bytes
        from pgq.queue q, generate_series(0, q.queue_ntables - 1) nr
        where q.queue_id = i_queue_id
    ), span as (
        -- Ticks go with their events, so the oldest tells how many there are.
        select (select t.tick_event_seq from pgq.tick t where t.tick_queue = i_queue_id order by t.tick_id limit 1) as oldest,
            (select t.tick_event_seq from pgq.tick t where t.tick_queue = i_queue_id order by t.tick_id desc limit 1) as newest
    )
    select stand.consumer_name, stand.sub_id, stand.last_tick, t.tick_time,
        coalesce(now() - waiting.tick_time, '0'),
        coalesce(tables.bytes * (span.newest - t.tick_event_seq) / nullif(span.newest - span.oldest, 0), 0)::bigint
    from stand
    cross join tables cross join span
    left join pgq.tick t on t.tick_queue = i_queue_id and t.tick_id = stand.last_tick
    left join lateral (
        select w.tick_time from pgq.tick w
        where w.tick_queue = i_queue_id and w.tick_id > stand.last_tick
        order by w.tick_id limit 1) waiting on true;
$$;

comment on function skytools.backlogs(int, int) is
'How much each consumer of a queue has still to read: how old the first tick is that it has not finished, and its share of the event tables by the event sequence''s count.';
