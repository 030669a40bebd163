create or replace function skytools.triga_unshield(i_format text, i_text text)
returns text
language plpgsql immutable
as $$
-- Each 4 has a digit behind it, so the order of the four does not matter, but
-- that 4 itself comes last where a sign is put back as it was.
declare
    before pg_catalog.text := case when i_format OPERATOR(pg_catalog.=) 'urlenc' then '%04' else E'\x04' end;
    v pg_catalog.text := i_text;
begin
    if v is null or pg_catalog.strpos(v, before) OPERATOR(pg_catalog.=) 0 then
        return v;
    end if;
    for n in 1 .. 4 loop
        v := pg_catalog.replace(v, pg_catalog.concat(before, n), case
                 when i_format OPERATOR(pg_catalog.=) 'urlenc' then pg_catalog.concat('%0', n) when i_format OPERATOR(pg_catalog.=) 'json' then pg_catalog.concat(E'\\u000', n) else pg_catalog.chr(n) end);
    end loop;
    return v;
end;
$$;
comment on function skytools.triga_unshield(text, text) is
    'Puts signs 1 to 4 back that triga_shield has replaced, as the format writes them.';
