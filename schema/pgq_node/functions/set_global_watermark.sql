create or replace function pgq_node.set_global_watermark(
    i_queue_name text, i_watermark bigint, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    node pgq_node.node_info;
    wanted bigint := i_watermark;
begin
    select * into node from pgq_node.node_info where queue_name = i_queue_name for update;
    ret_code := 200;
    ret_note := 'Global watermark set';
    if not found then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || coalesce(i_queue_name, 'NULL');
        return;
    elsif node.node_type = 'leaf' then
        ret_code := 100;
        ret_note := 'Global watermark ignored on leaf';
        return;
    elsif node.node_type = 'branch' and wanted is null then
        ret_code := 500;
        ret_note := 'bad usage: wm=null on branch node';
        return;
    end if;
    if node.node_type = 'root' then
        wanted := coalesce(wanted, pgq_node._local_watermark(i_queue_name));
    end if;
    if not exists (select from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue
        where q.queue_name = i_queue_name and t.tick_id = wanted)
    then
        ret_note := 'Skipped global watermark, tick not known here';
        return;
    end if;
    perform pgq.register_consumer_at(i_queue_name, '.global_watermark', wanted);
    if node.node_type = 'root' then
        update pgq_node.local_state set last_tick_id = wanted
            where queue_name = i_queue_name and consumer_name = node.worker_name;
        -- Only nodes that keep a queue of their own have use for it. An event
        -- for nobody would keep an idle set busy.
        if exists (select from pgq_node.subscriber_info where queue_name = i_queue_name) then
            perform pgq.insert_event(i_queue_name, 'pgq.global-watermark', wanted::text,
                i_queue_name, null, null, null);
        end if;
    end if;
end;
$$;

comment on function pgq_node.set_global_watermark(text, bigint) is
'Moves .global_watermark, the consumer that keeps the events which some node has not got. On the root NULL means its own watermark. Codes: 200; 100 ignored on a leaf; 404; 500.';
