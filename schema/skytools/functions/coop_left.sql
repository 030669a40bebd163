create or replace function skytools.coop_left(i_sub pgq.subscription) returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select i_sub.sub_batch is not null and i_sub.sub_active = '1970-01-01 00:00:00+00'::timestamptz
$$;

comment on function skytools.coop_left(pgq.subscription) is
'Has this member of a cooperative consumer been unregistered with its batch open? Its row stays for the batch''s sake, with the oldest time as last sign of life, until the next member that asks gets the batch.';
