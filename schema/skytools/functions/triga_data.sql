create or replace function skytools.triga_data(i_format text, i_op text, m text[], i_values text[], i_old text[])
returns text
language plpgsql immutable
as $$
-- m is what triga_table made. Runs with the writer's search_path.
declare
    v pg_catalog.text;
begin
    if i_format OPERATOR(pg_catalog.=) 'urlenc' then
        v := skytools.urlencode(pg_catalog.replace(pg_catalog.format(m[3], variadic i_values), E'\x02\x03', ''));
        return skytools.triga_unshield('urlenc', pg_catalog.replace(pg_catalog.replace(v, '%01', '&'), '%02', '='));
    elsif i_format OPERATOR(pg_catalog.=) 'json' then
        if m[14] OPERATOR(pg_catalog.<>) '' then
            i_values := skytools.triga_times(i_values, pg_catalog.string_to_array(m[14], E'\x02')::pg_catalog.int4[]);
        end if;
        v := pg_catalog.replace(pg_catalog.replace(pg_catalog.format(m[3], variadic i_values), E'"\x03"', 'null'), E'\x03', 'null');
        v := pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(v, E'\x02t', 'true'), E'\x02f', 'false'), E'\x02', '');
        return skytools.triga_unshield('json', pg_catalog.concat('{', v, '}'));
    end if;
    return skytools.triga_unshield('sql', skytools.triga_sql(i_op, m, i_values, i_old));
end;
$$;
comment on function skytools.triga_data(text, text, text[], text[], text[]) is
    'ev_data of a row, given its values and what triga_table knows of its table.';
