revoke all on schema plproxy from public;
revoke all on all tables in schema plproxy from public;
revoke execute on function plproxy.get_cluster_version(text), plproxy.get_cluster_partitions(text),
    plproxy.get_cluster_config(text), plproxy.set_cluster(text, text, text[], boolean) from public;
