create or replace function skytools.capture_backup(i_capture skytools.capture, i_table oid, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    c skytools.capture := i_capture;
begin
    c.options := c.options - '{backup,when,ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}'::text[];
    c.format := case c.format when 'sql' then 'urlenc' else c.format end;
    return format('(%s)', case when i_row = 'new' then skytools.capture_data(c, i_table, 'UPDATE', 'old', '', null)
                               else skytools.capture_data(c, i_table, 'UPDATE', 'skytools_o', '(select ($2).*) skytools_o', null) end);
end;
$$;
comment on function skytools.capture_backup(skytools.capture, oid, text) is
    'Expression that writes an UPDATE''s old row, for the option backup.';
