create or replace function plproxy.get_cluster_version(i_cluster text) returns int
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    found_version int;
begin
    select c.version into found_version from plproxy.cluster c where c.cluster_name = i_cluster;
    if not found then
        raise exception 'no such cluster: %', i_cluster
            using errcode = 'undefined_object', hint = 'plproxy.cluster lists those that londiste plproxy-config keeps';
    end if;
    return found_version;
end;
$$;

comment on function plproxy.get_cluster_version(text) is
'PL/Proxy asks it at each call, and reads the cluster anew where the number is another one.';
