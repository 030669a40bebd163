create or replace function pgq_node.create_node(
    i_queue_name text, i_node_type text, i_node_name text, i_worker_name text,
    i_provider_name text, i_global_watermark bigint, i_combined_queue text,
    out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    tick bigint := i_global_watermark;
begin
    -- One at a time: there is no row yet that a second call could wait for.
    lock table pgq_node.node_info in share row exclusive mode;
    ret_code := 401;
    if exists (select from pgq_node.node_info where queue_name = i_queue_name) then
        ret_note := 'Node already initialized';
    else
        ret_note := pgq_node._refuse_node(i_queue_name, i_node_type, i_node_name, i_worker_name,
            i_provider_name, i_global_watermark, i_combined_queue);
    end if;
    if ret_note is not null then
        return;
    end if;

    if i_node_type = 'root' then
        perform pgq.create_queue(i_queue_name);
        perform pgq.register_consumer(i_queue_name, '.global_watermark');
        select max(t.tick_id) into tick
            from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue
            where q.queue_name = i_queue_name;
    elsif i_node_type = 'branch' then
        -- The set's own tick takes the place of the queue's first one.
        perform pgq.create_queue(i_queue_name);
        update pgq.queue set queue_external_ticker = true, queue_disable_insert = true
            where queue_name = i_queue_name;
        delete from pgq.tick t using pgq.queue q
            where q.queue_id = t.tick_queue and q.queue_name = i_queue_name;
        perform pgq.ticker(i_queue_name, i_global_watermark, now(), 1);
        perform pgq.register_consumer_at(i_queue_name, '.global_watermark', i_global_watermark);
    end if;
    insert into pgq_node.node_info (queue_name, node_type, node_name, worker_name, combined_queue)
        values (i_queue_name, i_node_type, i_node_name, i_worker_name, i_combined_queue);
    insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
        values (i_queue_name, i_worker_name, coalesce(i_provider_name, i_node_name), tick);
    ret_code := 200;
    ret_note := format('Node "%s" added to queue "%s" with type %s', i_node_name, i_queue_name, i_node_type);
end;
$$;

comment on function pgq_node.create_node(text, text, text, text, text, bigint, text) is
'Makes this database a node of a set: root with a queue and its watermark, branch with a copied queue, leaf with a position only. Its location is registered before. Codes: 200; 401 with the reason.';
