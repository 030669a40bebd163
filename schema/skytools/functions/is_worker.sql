create or replace function skytools.is_worker(i_queue_name text, i_consumer_name text) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (select from skytools.claim c where c.queue_name = i_queue_name
            and (i_consumer_name = c.consumer_name or starts_with(i_consumer_name, c.consumer_name || '.copy.')))
        or exists (select from pgq_node.node_info n where n.queue_name = i_queue_name
            and (i_consumer_name = n.worker_name or i_consumer_name like '.%'));
$$;

comment on function skytools.is_worker(text, text) is
'Is it a consumer of replication: a worker, one of its copies, or a node''s watermark?';
