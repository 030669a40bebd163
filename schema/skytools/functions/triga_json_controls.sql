create or replace function skytools.triga_json_controls(i_text text)
returns text
language plpgsql immutable
as $$
declare
    v pg_catalog.text := pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
        i_text, E'\n', E'\\n'), E'\t', E'\\t'), E'\r', E'\\r'), E'\b', E'\\b'), E'\f', E'\\f');
begin
    if v OPERATOR(pg_catalog.~) E'[\\x05-\\x1f]' then
        for n in 5 .. 31 loop
            v := pg_catalog.replace(v, pg_catalog.chr(n), E'\\u00' OPERATOR(pg_catalog.||) pg_catalog.lpad(pg_catalog.to_hex(n), 2, '0'));
        end loop;
    end if;
    return v;
end;
$$;
comment on function skytools.triga_json_controls(text) is 'Escapes control signs but 1 to 4 as JSON does.';
