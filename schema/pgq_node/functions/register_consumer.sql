create or replace function pgq_node.register_consumer(
    i_queue_name text, i_consumer_name text, i_provider_node text, i_custom_tick_id bigint,
    out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    if not exists (select from pgq_node.node_info where queue_name = i_queue_name) then
        ret_code := 404;
        ret_note := 'Unknown queue: ' || coalesce(i_queue_name, 'NULL');
        return;
    end if;
    insert into pgq_node.local_state (queue_name, consumer_name, provider_node, last_tick_id)
        values (i_queue_name, i_consumer_name, i_provider_node, i_custom_tick_id)
        on conflict (queue_name, consumer_name) do nothing;
    if found then
        ret_code := 200;
        ret_note := format('Consumer "%s" registered', i_consumer_name);
    else
        ret_code := 201;
        ret_note := format('Consumer "%s" is registered already', i_consumer_name);
    end if;
end;
$$;

comment on function pgq_node.register_consumer(text, text, text, bigint) is
'Registers a consumer that writes into this node, at a tick of its provider. Codes: 200; 201 there already, unchanged; 404 no node.';
