create or replace function skytools.capture_again(i_capture skytools.capture)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The first run of a message writes its rows plainly, each later one reads
-- them anew. The session's setting of the event table tells of a RESET ALL,
-- which takes the message's mark away with it: it is empty then, and NULL in
-- a session that has not written yet.
declare
    setting text := format('skytools.event_table_%s',
                           (select q.queue_id from pgq.queue q where q.queue_name = i_capture.queue_name));
begin
    return format(E'guess := pg_catalog.current_setting(%L, true);\nagain := %s;\n', setting,
                  case when skytools.capture_lacks(i_capture, 'first_run') then 'false'
                       when skytools.capture_lacks(i_capture, 'reset')
                       then 'coalesce(mark OPERATOR(pg_catalog.=) message, false)'
                       else 'coalesce(mark OPERATOR(pg_catalog.=) message, false) or coalesce(guess OPERATOR(pg_catalog.=) '''', false)'
                  end)
        || format(E'if coalesce(guess OPERATOR(pg_catalog.<>) cur::pg_catalog.text, true) then\n'
                  '    guess := pg_catalog.set_config(%L, cur::pg_catalog.text, false);\nend if;\n', setting);
end;
$$;
comment on function skytools.capture_again(skytools.capture) is
    'Part of a statement trigger''s body that finds out whether rows are to be read anew.';
