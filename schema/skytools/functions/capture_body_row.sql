create or replace function skytools.capture_body_row(i_capture skytools.capture, i_table oid)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    ignores bool := i_capture.options ? 'ignore' or i_capture.format = 'sql' and i_capture.options ? 'hidden';
    inserts bool := i_capture.format = 'sql' or skytools.capture_exact(i_capture);
begin
    if i_capture.options ? 'full' then
        -- The old row goes, the new one comes: of equal ones it is all the same which.
        return E'again := false;\nif tg_op OPERATOR(pg_catalog.<>) ''INSERT'' then\n'
            || skytools.capture_step(i_capture, i_table, 'DELETE', 'old')
            || E'end if;\nif tg_op OPERATOR(pg_catalog.<>) ''DELETE'' then\n'
            || skytools.capture_step(i_capture, i_table, 'INSERT', 'new') || E'end if;\n';
    elsif i_capture.key_numbers = '{}' then
        return E'again := false;\nif tg_op OPERATOR(pg_catalog.<>) ''INSERT'' then\n    '
            || skytools.capture_unkeyed() || E'\nend if;\n' || skytools.capture_step(i_capture, i_table, 'INSERT', 'new');
    end if;
    return case when skytools.capture_exact(i_capture) or skytools.capture_lacks(i_capture, 'open_mark') then E'again := false;\n'
                -- A statement may name a relative of the table, and opens nothing.
                when skytools.capture_related(i_table) and not skytools.capture_lacks(i_capture, 'related') then E'again := true;\n'
                when skytools.capture_lacks(i_capture, 'reset')
                then E'again := coalesce(mark OPERATOR(pg_catalog.=) (message OPERATOR(pg_catalog.||) ''+''), false);\n'
                else E'again := coalesce(mark OPERATOR(pg_catalog.<>) message, true);\n' end
        || E'if tg_op OPERATOR(pg_catalog.=) ''INSERT'' then\n'
        || skytools.capture_step(i_capture, i_table, 'INSERT', 'new')
        || E'elsif tg_op OPERATOR(pg_catalog.=) ''DELETE'' then\n'
        || skytools.capture_step(i_capture, i_table, 'DELETE', 'old')
        || skytools.capture_stay(i_capture, i_table, 'DELETE', 'old')
        || E'else\n'
        -- A changed table's record cannot be asked for its key in static text:
        -- the statement built now finds for itself that the key is not gone.
        -- One that reads nothing anew asks.
        || format(E'if intact then\n    rekeyed := not (%s);\nelse\n    %s;\nend if;\nif rekeyed then\n',
                  skytools.capture_match(i_capture, i_table, 'old', 'new'),
                  case when skytools.capture_exact(i_capture)
                       then format('execute skytools.capture_now(%s, tg_relid, ''REKEYED'', false, cur, '''') into rekeyed using old, new', i_capture.capture_id)
                       else 'rekeyed := true' end)
        || skytools.capture_step(i_capture, i_table, 'KEY', 'old')
        || skytools.capture_stay(i_capture, i_table, 'KEY', 'old')
        || E'end if;\n'
        -- In format sql an UPDATE would find no row under the new key; of a changed
        -- table every UPDATE is a DELETE and an INSERT there.
        || case when inserts
                then E'if rekeyed then\n' || skytools.capture_step(i_capture, i_table, 'INSERT', 'new') || E'else\n' else '' end
        || case when ignores then skytools.capture_ignored(i_capture, i_table) else '' end
        || skytools.capture_step(i_capture, i_table, 'UPDATE', 'new')
        || repeat(E'end if;\n', ignores::int + inserts::int)
        || E'end if;\n';
end;
$$;
comment on function skytools.capture_body_row(skytools.capture, oid) is
    'Row mode: what the row trigger does after the prologue.';
