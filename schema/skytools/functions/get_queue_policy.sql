create or replace function skytools.get_queue_policy(
    i_queue_name text default null,
    out queue_name text, out max_attempts int, out dead_keep interval,
    out backlog_warn_age interval, out backlog_max_age interval,
    out backlog_warn_bytes bigint, out backlog_max_bytes bigint, out backlog_workers boolean)
returns setof record
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    select q.queue_name, p.max_attempts, p.dead_keep, p.backlog_warn_age, p.backlog_max_age,
        p.backlog_warn_bytes, p.backlog_max_bytes, coalesce(p.backlog_workers, false)
    from pgq.queue q left join skytools.queue_policy p using (queue_id)
    where q.queue_name = i_queue_name or i_queue_name is null
    order by q.queue_name;
$$;

comment on function skytools.get_queue_policy(text) is
'Policies of a queue, or of all; NULL: off.';
