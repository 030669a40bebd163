create or replace function skytools.capture_body(i_capture skytools.capture, i_table oid, i_kind text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    unsafe jsonb := coalesce(i_capture.options -> 'unsafe', '[]');
    head text := E'\n#variable_conflict use_column\ndeclare\n'
        '    cur pg_catalog.int4; closed pg_catalog.bool; tx_limit pg_catalog.int4;\n'
        '    watched pg_catalog.regclass; intact pg_catalog.bool; message pg_catalog.text; mark pg_catalog.text; guess pg_catalog.text;\n'
        '    again pg_catalog.bool; rekeyed pg_catalog.bool; written pg_catalog.int8; events pg_catalog.int8 := 0; saved pg_catalog.text[];\n'
        'begin\n';
    local text := E'if pg_catalog.current_setting(''session_replication_role'') OPERATOR(pg_catalog.=) ''local'' then\n'
        '    return null;\nend if;\n';
    tail text := E'return null;\nend;\n';
    set_mark text := format('mark := pg_catalog.set_config(''skytools.run_%s'', message, true);', i_capture.capture_id);
    count_up text := E'events := events OPERATOR(pg_catalog.+) written;\n';
    row_source text := case i_kind when 'ins' then 'new_t' when 'upd' then 'new_t' when 'del' then 'old_t' else '' end;
    body text;
    op text;
begin
    if i_kind = 'open' then
        return skytools.capture_body_open(i_capture);
    end if;
    op := case i_kind when 'ins' then 'INSERT' when 'upd' then 'UPDATE' when 'del' then 'DELETE' end;
    body := head || case when op is null then '' else skytools.capture_quick(i_capture, i_table, op, row_source) end
         || local || skytools.capture_prologue(i_capture, i_table, row_source);
    if op is not null then
        body := body || case when unsafe ? 'first_run' then E'again := false;\n'
                             else E'again := coalesce(mark OPERATOR(pg_catalog.=) message, false);\n' end
            || format(E'if not again then\n    saved := array[pg_catalog.set_config(''skytools.event_table_%s'', cur::pg_catalog.text, false)];\nend if;\n',
                      (select q.queue_id from pgq.queue q where q.queue_name = i_capture.queue_name))
            || skytools.capture_step(i_capture, i_table, op, row_source) || count_up
            || format(E'if events OPERATOR(pg_catalog.>) 0 and not again then\n    %s\nend if;\n', set_mark);
    elsif i_kind = 'key' then
        body := body || skytools.capture_step(i_capture, i_table, 'KEY', 'old') || count_up
            || case when unsafe ? 'key_mark' then ''
                    else format(E'if mark is null or mark OPERATOR(pg_catalog.<>) message then\n    %s\nend if;\n', set_mark) end;
    elsif i_kind = 'truncate' then
        body := body || E'again := false;\n' || skytools.capture_step(i_capture, i_table, 'TRUNCATE', '') || count_up
            || case when unsafe ? 'truncate_refill' then ''
                    else E'if coalesce(pg_catalog.starts_with(mark, message), false) then\nagain := true;\n'
                         || skytools.capture_step(i_capture, i_table, 'REFILL', '') || count_up || E'end if;\n' end
            || case when i_capture.mode = 'statement'
                    then format(E'if mark is null or mark OPERATOR(pg_catalog.<>) message then\n    %s\nend if;\n', set_mark)
                    else '' end;
    else
        body := body || skytools.capture_body_row(i_capture, i_table, count_up);
    end if;
    return body
        || format(E'if tx_limit is not null and events OPERATOR(pg_catalog.>) 0 then\n'
                  '    perform skytools.capture_count(%s, %L, tx_limit, events);\nend if;\n',
                  (select q.queue_id from pgq.queue q where q.queue_name = i_capture.queue_name), i_capture.queue_name)
        || tail;
end;
$$;
comment on function skytools.capture_body(skytools.capture, oid, text) is
    'Body of one generated function: ins, upd, del, key, truncate, or of row mode row, open.';
