revoke execute on all functions in schema londiste from public;
grant usage on schema londiste to public;

do $$
begin
    if to_regrole('pgq_reader') is not null then
        grant select on all tables in schema londiste to pgq_reader;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select, insert, update, delete on all tables in schema londiste to pgq_admin;
        grant execute on all functions in schema londiste to pgq_admin;
    end if;
end
$$;

grant execute on function londiste.version() to public;
