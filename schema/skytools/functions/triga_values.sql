create or replace function skytools.triga_values(i_format text, i_row text, i_fields int)
returns text[]
language plpgsql immutable
as $$
-- Takes a row's text, which is what record_out made of it, apart without
-- looking at each value: (1,"a ""b"", c",,"") is cut at the commas that stand
-- outside of quotes. A comma inside shows by the number of them; then every
-- second piece between quotes is outside. Signs 1 to 4 mean something in what
-- follows, so those of a value become 4 and a digit: 1 stands between values,
-- 3 is NULL; for json a value's quotes and backslashes are escaped here, too.
-- Runs with the writer's search_path: everything is qualified.
declare
    v pg_catalog.text := i_row;
    pieces pg_catalog.text[];
begin
    if pg_catalog.strpos(v, E'\x01') OPERATOR(pg_catalog.+) pg_catalog.strpos(v, E'\x02')
       OPERATOR(pg_catalog.+) pg_catalog.strpos(v, E'\x03') OPERATOR(pg_catalog.+) pg_catalog.strpos(v, E'\x04') OPERATOR(pg_catalog.>) 0 then
        v := skytools.triga_shield(v);
    end if;
    v := pg_catalog.substr(v, 2, pg_catalog.length(v) OPERATOR(pg_catalog.-) 2);
    if pg_catalog.octet_length(pg_catalog.replace(v, ',', '')) OPERATOR(pg_catalog.+) i_fields OPERATOR(pg_catalog.-) 1
       OPERATOR(pg_catalog.=) pg_catalog.octet_length(v) then
        v := pg_catalog.replace(v, ',', E'\x01');
    else
        pieces := pg_catalog.string_to_array(v, '"');
        for n in 1 .. pg_catalog.cardinality(pieces) by 2 loop
            pieces[n] := pg_catalog.replace(pieces[n], ',', E'\x01');
        end loop;
        v := pg_catalog.array_to_string(pieces, '"');
    end if;
    v := pg_catalog.concat(E'\x01', v, E'\x01');
    v := pg_catalog.replace(pg_catalog.replace(v, E'\x01\x01', E'\x01\x03\x01'), E'\x01\x01', E'\x01\x03\x01');
    if pg_catalog.strpos(v, '"') OPERATOR(pg_catalog.>) 0 then
        v := pg_catalog.replace(pg_catalog.replace(v, E'\x01"', E'\x01'), E'"\x01', E'\x01');
        if i_format OPERATOR(pg_catalog.=) 'json' then
            -- A backslash stands doubled already, as JSON has it.
            v := pg_catalog.replace(v, '""', E'\\"');
        else
            v := pg_catalog.replace(pg_catalog.replace(v, '""', '"'), E'\\\\', E'\\');
        end if;
    end if;
    if i_format OPERATOR(pg_catalog.=) 'json' and v OPERATOR(pg_catalog.~) E'[\\x05-\\x1f]' then
        v := skytools.triga_json_controls(v);
    end if;
    v := pg_catalog.substr(v, 2, pg_catalog.length(v) OPERATOR(pg_catalog.-) 2);
    -- One empty text would be no element.
    return case when i_fields OPERATOR(pg_catalog.=) 0 then '{}' when i_fields OPERATOR(pg_catalog.=) 1 then array[v] else pg_catalog.string_to_array(v, E'\x01') end;
end;
$$;
comment on function skytools.triga_values(text, text, int) is
    'Values of a row, given its text: NULL is the sign 3, signs 1 to 4 inside a value are shielded.';
