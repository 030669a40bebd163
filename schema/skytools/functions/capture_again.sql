create or replace function skytools.capture_again(i_capture skytools.capture)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The first run of a message writes its rows plainly, each later one reads
-- them anew. A run that wrote leaves the message in the session's setting until
-- the transaction's end; before and after it the setting says "none". RESET ALL
-- takes both away: the setting is empty then, and NULL in a session that has
-- not written yet. What a reset took away mattered only if `again`, and then
-- it is set at the end.
begin
    return format(E'again := %s;\n',
                  case when skytools.capture_lacks(i_capture, 'first_run') then 'false'
                       when skytools.capture_lacks(i_capture, 'reset')
                       then 'coalesce(mark OPERATOR(pg_catalog.=) message, false)'
                       else 'coalesce(mark OPERATOR(pg_catalog.=) message or mark OPERATOR(pg_catalog.=) '''', false)'
                  end)
        || format(E'if coalesce(mark OPERATOR(pg_catalog.=) '''', true) then\n'
                  '    mark := pg_catalog.set_config(''skytools.run_%s'', ''none'', false);\nend if;\n', i_capture.capture_id);
end;
$$;
comment on function skytools.capture_again(skytools.capture) is
    'Part of a statement trigger''s body that finds out whether rows are to be read anew.';
