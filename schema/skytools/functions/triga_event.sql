create or replace function skytools.triga_event(
    i_format text, i_op text, i_queue text, i_schema text, i_table text,
    m text[], i_values text[], i_old text[], i_row record, i_row_text text)
returns bigint
language plpgsql volatile
as $$
-- m is what triga_table made. Runs with the writer's rights and search_path, as
-- upstream's code does: operators are named in full, also where CASE hides one.
declare
    type pg_catalog.text; data pg_catalog.text;
    extra pg_catalog.text[] := array[i_schema OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) i_table, null, null, null];
    e pg_catalog.text[]; fields pg_catalog.text[]; raw pg_catalog.text[];
begin
    if m[8] OPERATOR(pg_catalog.<>) '' then
        fields := skytools.triga_fields(m[8], i_row, pg_catalog.strpos(m[7], 'u') OPERATOR(pg_catalog.=) 0);
        if fields[1] OPERATOR(pg_catalog.=) 'f' then
            return null;
        end if;
    end if;
    type := case
        when i_format OPERATOR(pg_catalog.=) 'urlenc' then pg_catalog.concat(pg_catalog.left(i_op, 1), ':', m[2])
        when i_format OPERATOR(pg_catalog.=) 'sql' then pg_catalog.left(i_op, 1)
        else pg_catalog.concat('{"op":"', i_op, '","table":[', pg_catalog.to_json(i_schema), ',', pg_catalog.to_json(i_table), '],"pkey":[', m[2], ']}') end;
    if pg_catalog.strpos(m[7], 'x') OPERATOR(pg_catalog.>) 0 then
        type := skytools.triga_unshield('sql', type);
    end if;
    data := skytools.triga_data(i_format, i_op, m, i_values, i_old);
    if i_op OPERATOR(pg_catalog.=) 'UPDATE' and pg_catalog.strpos(m[7], 'b') OPERATOR(pg_catalog.>) 0 then
        if i_format OPERATOR(pg_catalog.=) 'sql' then
            m[3] := m[5];
        end if;
        extra[2] := skytools.triga_data(case when i_format OPERATOR(pg_catalog.=) 'sql' then 'urlenc' else i_format end, i_op, m, i_old, null);
    end if;
    if m[9] OPERATOR(pg_catalog.<>) '' or m[8] OPERATOR(pg_catalog.<>) '' then
        raw := case when m[9] OPERATOR(pg_catalog.<>) '' then skytools.triga_values('sql', i_row_text, m[1]::pg_catalog.int4) end;
        e := array[type, data] OPERATOR(pg_catalog.||) extra;
        for n in 1 .. 6 loop
            if pg_catalog.split_part(m[9], E'\x02', n) OPERATOR(pg_catalog.>) '0' then
                e[n] := raw[pg_catalog.split_part(m[9], E'\x02', n)::pg_catalog.int4];
                e[n] := case when e[n] OPERATOR(pg_catalog.<>) E'\x03' then skytools.triga_unshield('sql', e[n]) end;
            end if;
            if pg_catalog.strpos(fields[8], pg_catalog.concat(',ev_', ('{type,data,extra1,extra2,extra3,extra4}'::pg_catalog.text[])[n], ',')) OPERATOR(pg_catalog.>) 0 then
                e[n] := fields[n OPERATOR(pg_catalog.+) 1];
            end if;
        end loop;
        return pgq.insert_event(i_queue, e[1], e[2], e[3], e[4], e[5], e[6]);
    end if;
    return pgq.insert_event(i_queue, type, data, extra[1], extra[2], null, null);
end;
$$;
comment on function skytools.triga_event(text, text, text, text, text, text[], text[], text[], record, text) is
    'Puts the event of one row''s change into the queue. NULL if when= says no.';
