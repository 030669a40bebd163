create or replace function pgq_node.is_leaf_node(i_queue_name text) returns boolean
language plpgsql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    kind text;
begin
    select n.node_type into kind from pgq_node.node_info n where n.queue_name = i_queue_name;
    if not found then
        raise exception 'queue does not exist: %', i_queue_name
            using errcode = 'undefined_object', hint = 'pgq_node.create_node(...) makes this database a node of its set';
    end if;
    return kind = 'leaf';
end;
$$;

comment on function pgq_node.is_leaf_node(text) is
'Is this database a leaf of the queue''s set?';
