create or replace function skytools.capture_lacks(i_capture skytools.capture, i_mend text)
returns bool
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
select coalesce(i_capture.options -> 'unsafe' ? i_mend, false);
$$;
comment on function skytools.capture_lacks(skytools.capture, text) is
    'Whether a test has switched off this mend of capture_mends.';
