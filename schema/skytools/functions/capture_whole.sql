create or replace function skytools.capture_whole(i_capture skytools.capture, i_table oid)
returns bool
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- An expression's text names every column.
select not i_capture.options ?| '{ignore,hidden,when,ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}'
   and not exists (select from skytools.capture_columns(i_table, i_capture.format) c where c.special is not null)
   and not exists (select from pg_attribute a where a.attrelid = i_table and a.attgenerated = 'v' and not a.attisdropped);
$$;
comment on function skytools.capture_whole(skytools.capture, oid) is
    'Whether a row of the table is written by row_to_json as it stands, not column by column.';
