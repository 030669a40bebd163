create or replace function pgq_node.get_node_info(
    i_queue_name text,
    out ret_code int, out ret_note text, out node_type text, out node_name text,
    out global_watermark bigint, out local_watermark bigint,
    out provider_node text, out provider_location text,
    out combined_queue text, out combined_type text,
    out worker_name text, out worker_paused boolean, out worker_uptodate boolean, out worker_last_tick bigint,
    out node_attrs text, out target_for text[])
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    select n.node_type, n.node_name, s.provider_node, l.node_location, n.combined_queue, c.node_type,
            n.worker_name, s.paused, s.uptodate, s.last_tick_id, n.node_attrs,
            (select array_agg(t.queue_name order by t.queue_name)
                from pgq_node.node_info t where t.combined_queue = i_queue_name),
            (select sub.sub_last_tick from pgq.subscription sub
                join pgq.queue q on q.queue_id = sub.sub_queue
                join pgq.consumer co on co.co_id = sub.sub_consumer
                where q.queue_name = i_queue_name and co.co_name = '.global_watermark'),
            pgq_node._local_watermark(i_queue_name)
        into node_type, node_name, provider_node, provider_location, combined_queue, combined_type,
            worker_name, worker_paused, worker_uptodate, worker_last_tick, node_attrs, target_for,
            global_watermark, local_watermark
        from pgq_node.node_info n
        left join pgq_node.local_state s on s.queue_name = n.queue_name and s.consumer_name = n.worker_name
        left join pgq_node.node_location l on l.queue_name = n.queue_name and l.node_name = s.provider_node
        left join pgq_node.node_info c on c.queue_name = n.combined_queue
        where n.queue_name = i_queue_name;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || coalesce(i_queue_name, 'NULL');
        return;
    end if;
    ret_code := 100;
    ret_note := 'Ok';
end;
$$;

comment on function pgq_node.get_node_info(text) is
'What this database is in the set of a queue. Codes: 100; 404 no node.';
