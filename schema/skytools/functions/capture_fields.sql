create or replace function skytools.capture_fields(i_capture skytools.capture, i_table oid, i_row text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
select coalesce(string_agg(format(', %s as %I', skytools.capture_expression(i_capture, i_table, f, i_row), f), '' order by f), '')
  from unnest('{ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}'::text[]) f
 where i_capture.options ? f;
$$;
comment on function skytools.capture_fields(skytools.capture, oid, text) is
    'Columns of a SELECT with the event''s fields that are expressions.';
