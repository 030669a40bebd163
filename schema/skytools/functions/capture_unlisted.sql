create or replace function skytools.capture_unlisted(i_table oid)
returns bool
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
-- VOLATILE is meant: the answer must not come from the statement's snapshot,
-- which may be older than a trigger that it fires. The snapshot of REPEATABLE
-- READ may be older still, so there the answer is yes. tgtype: row 1, before
-- 2, update 16; a disabled trigger counts, it may be enabled at any time.
begin
    return current_setting('transaction_isolation') not like 'read %'
        or exists (select from pg_trigger where tgrelid = i_table and tgtype & 19 = 19);
end;
$$;
comment on function skytools.capture_unlisted(oid) is
    'Whether an UPDATE of the table may change a column that it does not list: a BEFORE trigger does, and an old snapshot cannot tell.';
