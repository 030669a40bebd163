revoke execute on all functions in schema pgq_node from public;
grant usage on schema pgq_node to public;

do $$
begin
    if to_regrole('pgq_reader') is not null then
        grant select on all tables in schema pgq_node to pgq_reader;
        grant execute on all functions in schema pgq_node to pgq_reader;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select, insert, update, delete on all tables in schema pgq_node to pgq_admin;
        grant execute on all functions in schema pgq_node to pgq_admin;
    end if;
end
$$;

grant execute on function pgq_node.version() to public;
