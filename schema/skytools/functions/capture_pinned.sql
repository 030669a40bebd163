create or replace function skytools.capture_pinned(i_setting text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
select case i_setting
    when 'extra_float_digits' then '1'
    when 'IntervalStyle' then 'postgres'
    when 'bytea_output' then 'hex'
    when 'lc_monetary' then 'C'
    when 'DateStyle' then 'ISO, MDY'
    when 'TimeZone' then 'UTC'
    when 'search_path' then 'pg_catalog, pg_temp'
end;
$$;
comment on function skytools.capture_pinned(text) is 'Value under which events are written, for each setting that reaches their text.';
