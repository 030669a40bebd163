create or replace function pgq_node._refuse_node(
    i_queue_name text, i_node_type text, i_node_name text, i_worker_name text,
    i_provider_name text, i_global_watermark bigint, i_combined_queue text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(i_node_type, '') not in ('root', 'branch', 'leaf') then
        return 'bad node type: ' || coalesce(i_node_type, 'NULL');
    end if;
    if i_node_type = 'root' and (i_provider_name is not null or i_global_watermark is not null)
        or i_node_type <> 'leaf' and i_combined_queue is not null
        or i_worker_name is null
    then
        return 'unexpected args for ' || i_node_type;
    end if;
    if i_node_type <> 'root' and i_provider_name is null then
        return 'provider not set for ' || i_node_type;
    end if;
    if i_node_type <> 'root' and i_global_watermark is null then
        return 'global watermark not set for ' || i_node_type;
    end if;
    if i_combined_queue is not null
        and not exists (select from pgq_node.node_info where queue_name = i_combined_queue)
    then
        return 'non-existing queue on leaf side: ' || i_combined_queue;
    end if;
    if exists (
        select from unnest(array[i_node_name, i_provider_name]) wanted (node)
        where node is not null and not exists (
            select from pgq_node.node_location l where l.queue_name = i_queue_name and l.node_name = node))
    then
        return 'location not registered for ' || i_node_type;
    end if;
    return null;
end;
$$;

comment on function pgq_node._refuse_node(text, text, text, text, text, bigint, text) is
'Why create_node cannot do what its arguments say; NULL if it can.';
