create or replace function pgq_node.drop_node(i_queue_name text, i_node_name text, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    own pgq_node.node_info;
begin
    select * into own from pgq_node.node_info where queue_name = i_queue_name for update;
    if own.node_name is distinct from i_node_name then
        select d.ret_code, d.ret_note into ret_code, ret_note
            from pgq_node._drop_remote_node(i_queue_name, i_node_name) d;
        return;
    end if;
    if exists (select from londiste.table_info where queue_name = i_queue_name)
        or exists (select from londiste.seq_info where queue_name = i_queue_name)
    then
        ret_code := 405;
        ret_note := 'Cannot drop node, tables or sequences are still registered';
        return;
    end if;
    delete from pgq_node.subscriber_info where queue_name = i_queue_name;
    delete from pgq_node.local_state where queue_name = i_queue_name;
    delete from pgq_node.node_info where queue_name = i_queue_name;
    delete from pgq_node.node_location where queue_name = i_queue_name;
    if own.node_type <> 'leaf' then
        perform pgq.drop_queue(i_queue_name, true);
    end if;
    ret_code := 200;
    ret_note := 'Node dropped';
end;
$$;

comment on function pgq_node.drop_node(text, text) is
'On the node itself: forgets the set and drops its queue with all consumers. Elsewhere: forgets the node. Codes: 200; 304 not known here; 405 is this node''s provider, or tables are still registered.';
