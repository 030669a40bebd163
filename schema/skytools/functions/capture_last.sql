create or replace function skytools.capture_last(i_table oid)
returns int2
language sql stable
set search_path = pg_catalog, pg_temp
as $$
-- max(): a TRUNCATE at REPEATABLE READ makes a second row of pg_class visible
-- beside the one that another TRUNCATE has replaced.
select coalesce(max(c.relnatts), 0::int2) from pg_class c where c.oid = i_table;
$$;
comment on function skytools.capture_last(oid) is
    'Number of a table''s last column in the statement''s snapshot, counting dropped ones.';
