create or replace function skytools.capture_unlisted(i_table oid)
returns bool
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
-- VOLATILE is meant: the answer must not come from the statement's snapshot,
-- which may be older than a trigger that it fires. tgtype: row 1, before 2,
-- update 16; a disabled trigger counts, it may be enabled at any time.
begin
    return exists (select from pg_trigger where tgrelid = i_table and tgtype & 19 = 19);
end;
$$;
comment on function skytools.capture_unlisted(oid) is
    'Whether an UPDATE of the table may change a column that it does not list: a BEFORE trigger may.';
