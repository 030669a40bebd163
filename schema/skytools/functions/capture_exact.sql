create or replace function skytools.capture_exact(i_capture skytools.capture)
returns bool
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
-- Where nothing can be looked up by key, or the row does not come into the
-- table at all, each row is told as it is when its trigger runs, as PgQ's own
-- triggers do.
select i_capture.key_index = '' or i_capture.options ? 'skip';
$$;
comment on function skytools.capture_exact(skytools.capture) is
    'Whether a capture never reads a row anew: one without a key index, and one that drops the operation.';
