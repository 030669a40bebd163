create or replace function skytools.coop_continues(i_batch_id bigint, i_before bigint) returns boolean
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    with recursive chain (id) as (
        select i_batch_id
        union
        select t.batch_id from skytools.coop_taken t join chain on t.new_batch = chain.id
    )
    select exists (select from chain where id = i_before)
$$;

comment on function skytools.coop_continues(bigint, bigint) is
'Is a batch of a cooperative consumer''s member the other one, or that one taken over, once or more often? Then nobody has ended that.';
