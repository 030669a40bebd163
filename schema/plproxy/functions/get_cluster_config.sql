create or replace function plproxy.get_cluster_config(in i_cluster text, out key text, out val text) returns setof record
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select 'modular_mapping', '1' from plproxy.cluster c where c.cluster_name = i_cluster and c.modular;
$$;

comment on function plproxy.get_cluster_config(text) is
'Settings of a cluster: modular_mapping where any number of partitions is allowed.';
