create or replace function plproxy.get_cluster_partitions(i_cluster text) returns setof text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select s.connection from plproxy.cluster_slot s where s.cluster_name = i_cluster order by s.slot;
$$;

comment on function plproxy.get_cluster_partitions(text) is
'The connection strings of a cluster, without passwords, in the order of its partitions.';
