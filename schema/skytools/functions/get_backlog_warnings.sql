create or replace function skytools.get_backlog_warnings(
    out queue_name text, out consumer_name text, out since timestamptz,
    out age interval, out bytes bigint, out reason text)
returns setof record
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    select q.queue_name, w.warn_consumer, w.since, w.backlog_age, w.backlog_bytes, w.reason
    from skytools.backlog_warning w join pgq.queue q on q.queue_id = w.warn_queue
    order by 1, 2;
$$;

comment on function skytools.get_backlog_warnings() is
'Consumers whose backlog was over their queue''s limits when maintenance looked last.';
