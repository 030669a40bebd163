create or replace function skytools.capture_body_row(i_capture skytools.capture, i_table oid, i_count text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    unsafe jsonb := coalesce(i_capture.options -> 'unsafe', '[]');
begin
    return case when unsafe ? 'open_mark' then E'again := false;\n'
                else E'again := coalesce(mark OPERATOR(pg_catalog.=) (message OPERATOR(pg_catalog.||) ''+''), false);\n' end
        || E'if tg_op OPERATOR(pg_catalog.=) ''INSERT'' then\n'
        || skytools.capture_step(i_capture, i_table, 'INSERT', 'new') || i_count
        || E'elsif tg_op OPERATOR(pg_catalog.=) ''DELETE'' then\n'
        || skytools.capture_step(i_capture, i_table, 'DELETE', 'old') || i_count
        || E'else\n'
        -- A changed table's record cannot be asked for its key in static text:
        -- the statement built now finds for itself that the key is not gone.
        || format(E'if intact then\n    rekeyed := not (%s);\nelse\n    rekeyed := true;\nend if;\nif rekeyed then\n',
                  skytools.capture_match(i_capture, i_table, 'old', 'new'))
        || skytools.capture_step(i_capture, i_table, 'KEY', 'old') || i_count
        || E'end if;\n'
        || skytools.capture_step(i_capture, i_table, 'UPDATE', 'new') || i_count
        || E'end if;\n';
end;
$$;
comment on function skytools.capture_body_row(skytools.capture, oid, text) is
    'Row mode: what the row trigger does after the prologue.';
