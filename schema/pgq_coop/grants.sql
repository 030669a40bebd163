revoke execute on all functions in schema pgq_coop from public;
grant usage on schema pgq_coop to public;
grant execute on function pgq_coop.version() to public;

do $$
begin
    if to_regrole('pgq_reader') is not null then
        grant execute on all functions in schema pgq_coop to pgq_reader;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant execute on all functions in schema pgq_coop to pgq_admin;
    end if;
end
$$;
