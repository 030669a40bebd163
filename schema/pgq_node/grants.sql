revoke execute on all functions in schema pgq_node from public;
grant usage on schema pgq_node to public;

-- Whoever reads or writes a queue may look. Positions in this node are moved
-- by its writers: a reader of the provider has no business with them.
do $$
declare
    who text;
begin
    for who in select r.rolname from pg_roles r where r.rolname in ('pgq_reader', 'pgq_writer') loop
        execute format('grant select on all tables in schema pgq_node to %I', who);
        execute format('grant execute on function pgq_node.get_node_info(text), pgq_node.get_consumer_state(text, text) to %I', who);
    end loop;
    if to_regrole('pgq_writer') is not null then
        grant execute on function
            pgq_node.register_consumer(text, text, text, bigint), pgq_node.unregister_consumer(text, text),
            pgq_node.set_consumer_completed(text, text, bigint), pgq_node.set_consumer_error(text, text, text),
            pgq_node.set_consumer_paused(text, text, boolean), pgq_node.set_consumer_uptodate(text, text, boolean)
            to pgq_writer;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select, insert, update, delete on all tables in schema pgq_node to pgq_admin;
        grant execute on all functions in schema pgq_node to pgq_admin;
    end if;
end
$$;

grant execute on function
    pgq_node.is_root_node(text), pgq_node.is_leaf_node(text), pgq_node.version() to public;
