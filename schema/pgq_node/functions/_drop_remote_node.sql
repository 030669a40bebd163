create or replace function pgq_node._drop_remote_node(
    i_queue_name text, i_node_name text, out ret_code int, out ret_note text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sub pgq_node.subscriber_info;
begin
    if exists (select from pgq_node.local_state
        where queue_name = i_queue_name and provider_node = i_node_name)
    then
        ret_code := 405;
        ret_note := 'Cannot drop provider node';
        return;
    end if;
    delete from pgq_node.subscriber_info
        where queue_name = i_queue_name and subscriber_node = i_node_name
        returning * into sub;
    if found then
        perform pgq.unregister_consumer(i_queue_name, sub.worker_name);
        perform pgq.unregister_consumer(i_queue_name, sub.watermark_name);
    end if;
    delete from pgq_node.node_location where queue_name = i_queue_name and node_name = i_node_name;
    if found then
        ret_code := 200;
        ret_note := 'Node unregistered';
    else
        ret_code := 304;
        ret_note := format('Node "%s" is not known here', i_node_name);
    end if;
end;
$$;

comment on function pgq_node._drop_remote_node(text, text) is
'Forgets another node of the set, its subscription included.';
