create or replace function skytools.capture_body(i_capture skytools.capture, i_table oid, i_kind text, i_listed bool)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    plain text := case when i_listed and i_kind in ('upd', 'key') and not skytools.capture_lacks(i_capture, 'unlisted')
                       then format('skytools.capture_plain(%L::pg_catalog.regclass)', i_table::int8) end;
    head text := format(E'\n#variable_conflict use_column\ndeclare\n    mark pg_catalog.text; message pg_catalog.text := %s;%s\nbegin\n',
                        skytools.capture_message(), case when plain is not null then ' moved pg_catalog.bool;' else '' end);
    -- Only what comes before pays for no variable of the general part.
    general text := E'declare\n'
        '    cur pg_catalog.int4; closed pg_catalog.bool; tx_limit pg_catalog.int4;\n'
        '    watched pg_catalog.regclass; intact pg_catalog.bool;\n'
        '    again pg_catalog.bool; rekeyed pg_catalog.bool; written pg_catalog.int8; events pg_catalog.int8 := 0; saved pg_catalog.text[];\n'
        'begin\n';
    -- What a BEFORE trigger returns becomes of the row.
    local text := format(E'if pg_catalog.current_setting(''session_replication_role'') OPERATOR(pg_catalog.=) ''local'' then\n'
        '    return %s;\nend if;\n', case i_kind when 'skip' then 'coalesce(new, old)' else 'null' end);
    tail text := E'return null;\nend;\nend;\n';
    set_mark text := format(E'if %%scoalesce(mark OPERATOR(pg_catalog.<>) message, true) then\n'
        '    mark := pg_catalog.set_config(''skytools.run_%s'', message, true);\nend if;\n', i_capture.capture_id);
    row_source text := case i_kind when 'ins' then 'new_t' when 'upd' then 'new_t' when 'del' then 'old_t' else '' end;
    op text := case i_kind when 'ins' then 'INSERT' when 'upd' then 'UPDATE' when 'del' then 'DELETE' end;
    -- NULL at REPEATABLE READ. An UPDATE's two triggers agree: see capture_plain.
    listing text := E'moved := null;\nif ' || skytools.capture_reads() || E' then\n    moved := not ' || plain || E';\nend if;\n';
    body text;
begin
    if i_kind = 'open' then
        return skytools.capture_body_open(i_capture);
    elsif i_capture.options ? 'deny' or i_kind = 'nokey' then
        return skytools.capture_body_deny(i_capture);
    end if;
    body := head || case when op is null then '' else skytools.capture_quick(i_capture, i_table, op, row_source, plain) end
         || general || local || skytools.capture_prologue(i_capture, i_table, row_source);
    if op is not null then
        body := body || skytools.capture_again(i_capture)
            || case when plain is null then ''
                    else listing || format(E'if moved is not false then\nif intact then\n%selse\n'
                              '    execute skytools.capture_now(%s, tg_relid, ''MOVED'', false, cur, '''') into moved;\nend if;\n'
                              'if moved then\nagain := true;\n%s%send if;\nend if;\n',
                              skytools.capture_compare(i_capture, i_table), i_capture.capture_id,
                              skytools.capture_step(i_capture, i_table, 'KEY', 'old_t'),
                              skytools.capture_stay(i_capture, i_table, 'KEY', 'old_t')) end
            || skytools.capture_step(i_capture, i_table, op, row_source)
            || skytools.capture_stay(i_capture, i_table, op, row_source)
            || format(set_mark, '(again or events OPERATOR(pg_catalog.>) 0) and ');
    elsif i_kind = 'key' then
        -- What the list does not tell for sure is left to the statement's trigger.
        body := body || coalesce(listing || E'if moved is false then\n', '')
            || skytools.capture_step(i_capture, i_table, 'KEY', 'old')
            || skytools.capture_stay(i_capture, i_table, 'KEY', 'old')
            || case when plain is null then '' else E'end if;\n' end
            || case when skytools.capture_lacks(i_capture, 'key_mark') then '' else format(set_mark, '') end;
    elsif i_kind = 'truncate' then
        -- The table is empty, but for what triggers have put into it since.
        body := body || E'again := false;\n' || skytools.capture_step(i_capture, i_table, 'TRUNCATE', '')
            || case when skytools.capture_lacks(i_capture, 'truncate_refill') or i_capture.options ? 'skip' then ''
                    else skytools.capture_step(i_capture, i_table, 'REFILL', '') end
            || case when i_capture.mode = 'statement' then format(set_mark, '') else '' end
            || case when exists (select from pg_class t where t.oid = i_table and t.relkind = 'p')
                    then format(E'mark := pg_catalog.set_config(''skytools.truncate_%s'', '''', true);\n', i_capture.capture_id) else '' end;
    elsif i_kind = 'leaf' then
        body := body || format(E'events := skytools.capture_leaf(%s, %s, tg_relid, cur);\n', i_capture.capture_id, i_table::int8);
    else
        body := body || skytools.capture_body_row(i_capture, i_table);
    end if;
    body := body
        || format(E'if tx_limit is not null and events OPERATOR(pg_catalog.>) 0 then\n'
                  '    perform skytools.capture_count(%s, %L, tx_limit, events);\nend if;\n',
                  (select q.queue_id from pgq.queue q where q.queue_name = i_capture.queue_name), i_capture.queue_name)
        || tail;
    if skytools.capture_lacks(i_capture, 'qualified') then
        return regexp_replace(regexp_replace(body, 'OPERATOR\(pg_catalog\.([^)]+)\)', '\1', 'g'), 'pg_catalog\.', '', 'g');
    end if;
    return body;
end;
$$;
comment on function skytools.capture_body(skytools.capture, oid, text, bool) is
    'Body of one generated function: ins, upd, del, key, truncate; of row mode row, open, leaf; of options skip, deny; nokey.';
