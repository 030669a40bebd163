create or replace function pgq_node._local_watermark(i_queue_name text) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select case n.node_type
        when 'leaf' then (
            select s.last_tick_id from pgq_node.local_state s
            where s.queue_name = n.queue_name and s.consumer_name = n.worker_name)
        else coalesce(
            (select min(s.sub_last_tick) from pgq.subscription s
                join pgq.queue q on q.queue_id = s.sub_queue
                join pgq.consumer c on c.co_id = s.sub_consumer
                where q.queue_name = n.queue_name and c.co_name <> '.global_watermark'),
            (select max(t.tick_id) from pgq.tick t
                join pgq.queue q on q.queue_id = t.tick_queue
                where q.queue_name = n.queue_name))
        end
    from pgq_node.node_info n
    where n.queue_name = i_queue_name;
$$;

comment on function pgq_node._local_watermark(text) is
'The tick up to which everybody who reads from this node has read; a leaf''s own position.';
