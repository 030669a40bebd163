create or replace function skytools.get_detached_consumers(
    out queue_name text, out consumer_name text, out last_tick bigint, out tick_time timestamptz,
    out detached_at timestamptz, out age interval, out bytes bigint, out reason text)
returns setof record
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    select q.queue_name, d.detached_consumer, d.last_tick, d.tick_time, d.detached_at, d.backlog_age, d.backlog_bytes, d.reason
    from skytools.detached_consumer d join pgq.queue q on q.queue_id = d.detached_queue
    order by 1, 2;
$$;

comment on function skytools.get_detached_consumers() is
'Consumers that were detached because of their backlog, and where they stood.';
