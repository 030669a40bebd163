create or replace function pgq_node.unregister_consumer(
    i_queue_name text, i_consumer_name text, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    delete from pgq_node.local_state
        where queue_name = i_queue_name and consumer_name = i_consumer_name;
    if found then
        ret_code := 200;
        ret_note := format('Consumer "%s" unregistered', i_consumer_name);
    else
        ret_code := 404;
        ret_note := 'Unknown consumer: ' || coalesce(i_queue_name, 'NULL') || '/' || coalesce(i_consumer_name, 'NULL');
    end if;
end;
$$;

comment on function pgq_node.unregister_consumer(text, text) is
'Forgets a consumer that wrote into this node. Codes: 200; 404.';
