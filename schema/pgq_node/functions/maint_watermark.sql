create or replace function pgq_node.maint_watermark(i_queue_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    stands bigint;
begin
    select s.sub_last_tick into stands
        from pgq_node.node_info n
        join pgq.queue q on q.queue_name = n.queue_name
        join pgq.subscription s on s.sub_queue = q.queue_id
        join pgq.consumer c on c.co_id = s.sub_consumer
        join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = s.sub_last_tick
        where n.queue_name = i_queue_name and n.node_type = 'root' and c.co_name = '.global_watermark'
            and now() - t.tick_time >= interval '5 minutes';
    if found and stands is distinct from pgq_node._local_watermark(i_queue_name) then
        perform pgq_node.set_global_watermark(i_queue_name, null);
    end if;
    return 0;
end;
$$;

comment on function pgq_node.maint_watermark(text) is
'On the root, moves .global_watermark up once it is five minutes old, or rotation would wait for it. Returns 0.';
