revoke execute on all functions in schema pgq_ext from public;
grant usage on schema pgq_ext to public;
grant execute on function pgq_ext.version(), pgq_ext.upgrade_schema() to public;

-- Who writes to the target keeps the books there.
do $$
begin
    if to_regrole('pgq_writer') is not null then
        grant select on all tables in schema pgq_ext to pgq_writer;
        grant execute on all functions in schema pgq_ext to pgq_writer;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select, insert, update, delete on all tables in schema pgq_ext to pgq_admin;
        grant execute on all functions in schema pgq_ext to pgq_admin;
    end if;
end
$$;
