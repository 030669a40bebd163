create or replace function skytools.urlencode(i_value text)
returns text
language plpgsql immutable strict parallel safe
as $$
-- Runs inside triggers with the writer's search_path: everything is qualified.
-- One replace() a sign costs a tenth of what a look at each byte does, and most
-- of them find nothing. Whatever else there is, is replaced sign by sign. Signs
-- 1 to 3 stand between the values of a row, see triga_data.
declare
    v pg_catalog.text;
    c pg_catalog.text;
begin
    if i_value OPERATOR(pg_catalog.!~) '[^0-9A-Za-z_.-]' then
        return i_value;
    end if;
    v := pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
         pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
         i_value, '%', '%25'), '!', '%21'), '"', '%22'), '#', '%23'), '$', '%24'), '&', '%26'),
         '''', '%27'), '(', '%28'), ')', '%29'), '*', '%2a'), '+', '%2b'), ',', '%2c');
    v := pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
         pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
         pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(v, '{', '%7b'), '}', '%7d'), E'\x01', '%01'), E'\x02', '%02'), E'\x03', '%03'), '/', '%2f'), ':', '%3a'), ';', '%3b'), '<', '%3c'), '=', '%3d'), '>', '%3e'), '?', '%3f'),
         '@', '%40'), '[', '%5b'), E'\\', '%5c'), ']', '%5d'), ' ', '+'), E'\n', '%0a');
    if v OPERATOR(pg_catalog.!~) '[^0-9A-Za-z_.%+-]' then
        return v;
    end if;
    for c in select distinct m.sign[1] from pg_catalog.regexp_matches(v, '[^0-9A-Za-z_.%+-]', 'g') m (sign) loop
        v := pg_catalog.replace(v, c, pg_catalog.regexp_replace(
                 pg_catalog.encode(pg_catalog.convert_to(c, pg_catalog.getdatabaseencoding()), 'hex'), '(..)', E'%\\1', 'g'));
    end loop;
    return v;
end;
$$;
comment on function skytools.urlencode(text) is
    'Url-encodes the bytes of a text as PgQ does: 0-9A-Za-z_.- stay, a space is +, the rest %xx in lower case.';
