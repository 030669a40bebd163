create or replace function skytools.coop_lost(i_batch_id bigint) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (select format('member %s of consumer %s took it from member %s at %s', taken_by, consumer_name, member_name, taken_at)
            from skytools.coop_taken where batch_id = i_batch_id),
        'it was finished before, or was none of a cooperative consumer''s member')
$$;

comment on function skytools.coop_lost(bigint) is
'What became of a batch that its member does not have any more.';
