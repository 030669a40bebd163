create or replace function skytools.triga_text(i_row record)
returns text
language plpgsql stable
set DateStyle = 'ISO, MDY' set IntervalStyle = 'postgres' set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' set lc_monetary = 'C' set search_path = pg_catalog, pg_temp
as $$
-- The values are those of capture_pinned.
begin
    return i_row::pg_catalog.text;
end;
$$;
comment on function skytools.triga_text(record) is 'A row''s text under the settings that events are written with.';
