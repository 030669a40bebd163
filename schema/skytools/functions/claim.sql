create or replace function skytools.claim(
    i_queue_name text,
    i_consumer_name text,
    i_system_identifier text,
    i_database_oid bigint,
    i_database_name text,
    i_node_name text,
    i_epoch bigint,
    i_force boolean default false
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pgq, pg_temp as $$
declare
    v_claim skytools.claim;
begin
    insert into skytools.claim as c (queue_name, consumer_name, system_identifier,
        database_oid, database_name, node_name, epoch)
    values (i_queue_name, i_consumer_name, i_system_identifier,
        i_database_oid, i_database_name, i_node_name, i_epoch)
    on conflict (queue_name, consumer_name) do update
    set epoch = greatest(c.epoch, excluded.epoch)
            + case when c.system_identifier = excluded.system_identifier
                and c.database_oid = excluded.database_oid
            then 0 else 1 end, -- the database before must not match it
        database_name = excluded.database_name,
        node_name = excluded.node_name,
        system_identifier = excluded.system_identifier,
        database_oid = excluded.database_oid,
        since = case when c.system_identifier = excluded.system_identifier
                and c.database_oid = excluded.database_oid
            then c.since else now() end
    where i_force
        or (c.system_identifier = excluded.system_identifier and c.database_oid = excluded.database_oid)
    returning * into v_claim;
    if found then
        return v_claim.epoch;
    end if;

    select * into v_claim from skytools.claim
    where queue_name = i_queue_name and consumer_name = i_consumer_name;
    raise exception 'consumer "%" belongs to database % on server % since %',
        i_consumer_name, v_claim.database_name, v_claim.system_identifier,
        to_char(v_claim.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
        using errcode = 'SK010',
            hint = 'give this subscriber a job_name of its own, or take over with: subscriber register --force';
end;
$$;

comment on function skytools.claim(text, text, text, bigint, text, text, bigint, boolean) is
'Writes down which database a consumer belongs to, and its worker''s epoch. Another database is refused unless forced. Returns the epoch on record: one above the caller''s means that a later worker exists.';
