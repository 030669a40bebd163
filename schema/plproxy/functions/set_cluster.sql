create or replace function plproxy.set_cluster(i_job text, i_cluster text, i_slots text[], i_modular boolean)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    old plproxy.cluster;
begin
    insert into plproxy.cluster (cluster_name, job_name, version, modular)
        values (i_cluster, i_job, 0, i_modular) on conflict (cluster_name) do nothing;
    select * into strict old from plproxy.cluster c where c.cluster_name = i_cluster for update;
    if old.job_name <> i_job then
        raise exception 'cluster % is kept by job %', i_cluster, old.job_name
            using errcode = 'object_in_use',
                hint = 'name another one in write_cluster and read_cluster; to take it over: update plproxy.cluster set job_name';
    end if;
    if old.version > 0 and old.modular = i_modular
        and i_slots = array(select s.connection from plproxy.cluster_slot s where s.cluster_name = i_cluster order by s.slot)
    then
        return false;
    end if;
    delete from plproxy.cluster_slot where cluster_name = i_cluster;
    insert into plproxy.cluster_slot (cluster_name, slot, connection)
        select i_cluster, (u.nr - 1)::int, u.connection from unnest(i_slots) with ordinality u (connection, nr);
    update plproxy.cluster set version = version + 1, modular = i_modular, changed_at = now()
        where cluster_name = i_cluster;
    return true;
end;
$$;

comment on function plproxy.set_cluster(text, text, text[], boolean) is
'Makes a cluster lead to these connection strings. Returns whether it did not yet; only then is there a new version.';
