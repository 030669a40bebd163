create or replace function skytools.event_dead(i_batch_id bigint, i_event_ids bigint[], i_reason text)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return (select r.dead from skytools.retry_ids(i_batch_id, i_event_ids, null, coalesce(i_reason, 'given up')) r);
end;
$$;

comment on function skytools.event_dead(bigint, bigint[], text) is
'Makes events of an open batch dead letters of its consumer; they wait for no retry any more. Returns how many were not dead yet.';
