create or replace function skytools.capture_step(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    record bool := i_row in ('old', 'new');
    recheck bool := not coalesce(i_capture.options -> 'unsafe' ? 'key_gone', false);
    now_text text := format(
        E'    saved := skytools.capture_pin(%1$s, tg_relid);\n'
        '    execute skytools.capture_now(%1$s, tg_relid, %2$L, %5$s, cur, %3$L)%4$s;\n'
        '    get diagnostics written = row_count;\n'
        '    perform skytools.capture_unpin(saved);\n',
        i_capture.capture_id, i_op, case when record then '$1' else i_row end,
        case when record then ' using ' || i_row else '' end,
        case when i_op = 'KEY' then recheck::text else 'again' end);
    forms text;
begin
    -- TRUNCATE, REFILL and KEY have one form; the others a plain and a re-reading one.
    if i_op in ('TRUNCATE', 'REFILL') then
        forms := skytools.capture_branches(i_capture, i_table, i_op, false, i_row);
    elsif i_op = 'KEY' then
        forms := skytools.capture_branches(i_capture, i_table, i_op, recheck, i_row);
    else
        forms := E'if again then\n' || skytools.capture_branches(i_capture, i_table, i_op, true, i_row)
              || E'else\n' || skytools.capture_branches(i_capture, i_table, i_op, false, i_row) || E'end if;\n';
    end if;
    return E'if intact then\n' || forms || E'get diagnostics written = row_count;\nelse\n' || now_text || E'end if;\n';
end;
$$;
comment on function skytools.capture_step(skytools.capture, oid, text, text) is
    'Writes the events of one operation: static statements while the table is as it was, else the statement built now.';
