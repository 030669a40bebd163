revoke execute on all functions in schema pgq_node from public;
grant usage on schema pgq_node to public;

do $$
begin
    if to_regrole('pgq_reader') is not null then
        grant select on all tables in schema pgq_node to pgq_reader;
        grant execute on function
            pgq_node.is_root_node(text), pgq_node.is_leaf_node(text),
            pgq_node.get_node_info(text), pgq_node.get_consumer_state(text, text),
            pgq_node.register_consumer(text, text, text, bigint), pgq_node.unregister_consumer(text, text),
            pgq_node.register_location(text, text, text, boolean),
            pgq_node.set_consumer_completed(text, text, bigint), pgq_node.set_consumer_error(text, text, text),
            pgq_node.set_consumer_paused(text, text, boolean), pgq_node.set_consumer_uptodate(text, text, boolean)
            to pgq_reader;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select, insert, update, delete on all tables in schema pgq_node to pgq_admin;
        grant execute on all functions in schema pgq_node to pgq_admin;
    end if;
end
$$;

grant execute on function pgq_node.version() to public;
