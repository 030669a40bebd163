create or replace function skytools.capture_again(i_capture skytools.capture)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The first run of a message writes its rows plainly, each later one reads
-- them anew. The session's setting holds the event table that was current when
-- it was made; a run that wrote puts the message behind it until the
-- transaction's end. RESET ALL takes both away: the setting is empty then, and
-- NULL in a session that has not written yet. To remember the table anew takes
-- the mark away too, which mattered only if `again`: then it is set at the end.
begin
    return format(E'again := %s;\n',
                  case when skytools.capture_lacks(i_capture, 'first_run') then 'false'
                       when skytools.capture_lacks(i_capture, 'reset')
                       then 'coalesce(pg_catalog.right(mark, 16) OPERATOR(pg_catalog.=) message, false)'
                       else 'coalesce(pg_catalog.right(mark, 16) OPERATOR(pg_catalog.=) message or mark OPERATOR(pg_catalog.=) '''', false)'
                  end)
        || format(E'if coalesce(case when pg_catalog.length(mark) OPERATOR(pg_catalog.>) 16 then pg_catalog.left(mark, -16) else mark end\n'
                  '    OPERATOR(pg_catalog.<>) cur::pg_catalog.text, true) then\n'
                  '    mark := pg_catalog.set_config(''skytools.run_%s'', cur::pg_catalog.text, false);\nend if;\n', i_capture.capture_id);
end;
$$;
comment on function skytools.capture_again(skytools.capture) is
    'Part of a statement trigger''s body that finds out whether rows are to be read anew.';
