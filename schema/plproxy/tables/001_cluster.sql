create schema if not exists plproxy;

-- In a schema that others have functions of PL/Proxy's in, theirs stay.
do $$
begin
    if to_regclass('plproxy.cluster_slot') is null and exists (
        select from pg_proc p where p.pronamespace = 'plproxy'::regnamespace and starts_with(p.proname, 'get_cluster_'))
    then
        raise exception 'schema plproxy has functions that somebody else has made'
            using errcode = 'duplicate_function',
                hint = 'drop plproxy.get_cluster_version, get_cluster_partitions and get_cluster_config, or use form = sqlmed';
    end if;
end
$$;

create table if not exists plproxy.cluster (
    cluster_name text not null primary key,
    job_name text not null,
    version int not null,
    modular boolean not null,
    changed_at timestamptz not null default now()
);

create table if not exists plproxy.cluster_slot (
    cluster_name text not null references plproxy.cluster,
    slot int not null,
    connection text not null,
    primary key (cluster_name, slot)
);
