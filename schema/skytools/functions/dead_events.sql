create or replace function skytools.dead_events(
    i_queue_name text, i_consumer_name text, i_limit int,
    out dead_id bigint, out queue_name text, out consumer_name text,
    out dead_time timestamptz, out dead_reason text,
    out ev_id bigint, out ev_time timestamptz, out ev_retry int, out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    select d.dead_id, q.queue_name, d.dead_consumer, d.dead_time, d.dead_reason,
        d.ev_id, d.ev_time, d.ev_retry, d.ev_type, d.ev_data, d.ev_extra1, d.ev_extra2, d.ev_extra3, d.ev_extra4
    from skytools.dead_event d join pgq.queue q on q.queue_id = d.dead_queue
    where (q.queue_name = i_queue_name or i_queue_name is null)
        and (d.dead_consumer = i_consumer_name or i_consumer_name is null)
    order by d.dead_id limit i_limit;
$$;

comment on function skytools.dead_events(text, text, int) is
'Dead letters, the oldest first; NULL stands for any queue, any consumer, no limit.';
