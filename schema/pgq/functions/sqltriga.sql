create or replace function pgq.sqltriga()
returns trigger
language plpgsql
as $$
begin
    if pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'local' then
        if tg_op OPERATOR(pg_catalog.=) 'TRUNCATE' then
            perform skytools.triga_truncate('sql', tg_when, tg_relid, tg_table_schema, tg_table_name, tg_argv);
            return null;
        elsif skytools.triga_row('sql', tg_op, tg_when, tg_level, tg_relid, tg_table_schema, tg_table_name, tg_argv, old, new) then
            return null;
        end if;
    end if;
    if tg_op OPERATOR(pg_catalog.=) 'DELETE' then
        return old;
    end if;
    return new;
end;
$$;

comment on function pgq.sqltriga() is
'Trigger that puts changes into a queue as parts of SQL statements; ev_type is I, U, D or R. Arguments as logutriga.';
