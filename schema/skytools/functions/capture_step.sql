create or replace function skytools.capture_step(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Most operations have a plain form and a re-reading one, chosen by `again`.
-- Statements of format sql are run one by one, in the rows' order, in which an
-- immediate key is free when another row takes it.
declare
    record bool := i_row in ('old', 'new');
    one_form bool := case when i_op in ('TRUNCATE', 'REFILL') then false
                          when i_op = 'STAY' then true
                          when skytools.capture_exact(i_capture) then false
                          when i_op = 'KEY' then not (skytools.capture_lacks(i_capture, 'key_gone') or i_capture.format = 'sql' and not i_capture.key_deferrable)
                          when i_op = 'DELETE' and i_capture.key_deferrable and not skytools.capture_lacks(i_capture, 'key_twins')
                          then true end;
    now_text text := format(
        E'    saved := skytools.capture_pin(%1$s, tg_relid);\n'
        '    execute skytools.capture_now(%1$s, tg_relid, %2$L, %5$s, cur, %3$L)%4$s;\n'
        '    get diagnostics written = row_count;\n'
        '    perform skytools.capture_unpin(saved);\n',
        i_capture.capture_id, i_op, case when record then '$1' else i_row end,
        case when record then ' using ' || i_row || case when i_op = 'UPDATE' and i_capture.options ? 'backup' then ', old' else '' end else '' end,
        coalesce(one_form::text, 'again'));
    forms text;
begin
    if one_form is not null then
        forms := skytools.capture_branches(i_capture, i_table, i_op, one_form, i_row);
    else
        forms := E'if again then\n' || skytools.capture_branches(i_capture, i_table, i_op, true, i_row)
              || E'else\n' || skytools.capture_branches(i_capture, i_table, i_op, false, i_row) || E'end if;\n';
    end if;
    return E'if intact then\n' || forms || E'get diagnostics written = row_count;\nelse\n' || now_text || E'end if;\n'
        || E'events := events OPERATOR(pg_catalog.+) written;\n';
end;
$$;
comment on function skytools.capture_step(skytools.capture, oid, text, text) is
    'Writes and counts the events of one operation: static statements while the table is as it was, else the statement built now.';
