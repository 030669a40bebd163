create or replace function skytools.capture_compare(i_capture skytools.capture, i_table oid)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- One row is compared with less work. Of many, the first statement finds two
-- different ones at once, unless cascades have updated one row again and again.
select format(E'perform from old_t skytools_o, new_t skytools_n where (%s) is not true limit 1;\n'
              'moved := found;\nif found then\n    moved := (%s);\nend if;\n',
              skytools.capture_match(i_capture, i_table, 'skytools_o', 'skytools_n'),
              skytools.capture_moved(i_capture, i_table));
$$;
comment on function skytools.capture_compare(skytools.capture, oid) is
    'Statements that find out whether a row of an UPDATE has another key than before.';
