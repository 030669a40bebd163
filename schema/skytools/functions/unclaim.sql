create or replace function skytools.unclaim(
    i_queue_name text,
    i_consumer_name text
) returns integer
language sql security definer set search_path = pg_catalog, pgq, pg_temp as $$
    with gone as (
        delete from skytools.claim
        where queue_name = i_queue_name and consumer_name = i_consumer_name
        returning 1
    )
    select count(*)::integer from gone;
$$;

comment on function skytools.unclaim(text, text) is
'Forgets whose a consumer is; part of unregistering it. Returns how many claims went.';
