create or replace function skytools.urlencode(i_value text)
returns text
language plpgsql immutable strict parallel safe
as $$
-- Runs inside capture with the writer's search_path: everything is qualified.
begin
    if i_value OPERATOR(pg_catalog.!~) '[^0-9A-Za-z_.-]' then
        return i_value;
    end if;
    return (select pg_catalog.string_agg(case
                    when b.v OPERATOR(pg_catalog.=) 32 then '+'
                    when b.v OPERATOR(pg_catalog.<) 128 and pg_catalog.chr(b.v) OPERATOR(pg_catalog.~) '[0-9A-Za-z_.-]'
                        then pg_catalog.chr(b.v)
                    else '%' OPERATOR(pg_catalog.||) pg_catalog.lpad(pg_catalog.to_hex(b.v), 2, '0') end,
                    '' order by i.n)
               from (select pg_catalog.convert_to(i_value, pg_catalog.getdatabaseencoding()) as bytes) d
              cross join lateral pg_catalog.generate_series(0, pg_catalog.length(d.bytes) OPERATOR(pg_catalog.-) 1) i (n)
              cross join lateral (select pg_catalog.get_byte(d.bytes, i.n)) b (v));
end;
$$;
comment on function skytools.urlencode(text) is
    'Url-encodes the bytes of a text as PgQ does: 0-9A-Za-z_.- stay, a space is +, the rest %xx in lower case.';
