create or replace function skytools.capture_stay(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Under a deferrable key two rows may stand for a while. The events told of
-- either; when one leaves, the one that stays is told again.
select case when i_capture.key_deferrable and not i_capture.options ? 'skip' and i_op in ('DELETE', 'KEY') and not skytools.capture_lacks(i_capture, 'key_twins')
            then skytools.capture_step(i_capture, i_table, 'STAY', i_row) else '' end;
$$;
comment on function skytools.capture_stay(skytools.capture, oid, text, text) is
    'Step after a row has left a deferrable key: the row that stays under it.';
