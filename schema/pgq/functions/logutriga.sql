create or replace function pgq.logutriga()
returns trigger
language plpgsql
as $$
begin
    if pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'local' then
        if tg_op OPERATOR(pg_catalog.=) 'TRUNCATE' then
            perform skytools.triga_truncate('urlenc', tg_when, tg_relid, tg_table_schema, tg_table_name, tg_argv);
            return null;
        elsif skytools.triga_row('urlenc', tg_op, tg_when, tg_level, tg_relid, tg_table_schema, tg_table_name, tg_argv, old, new) then
            return null;
        end if;
    end if;
    if tg_op OPERATOR(pg_catalog.=) 'DELETE' then
        return old;
    end if;
    return new;
end;
$$;

comment on function pgq.logutriga() is
'Trigger that puts changed rows into a queue, url-encoded; ev_type is I:key, U:key, D:key or R. Arguments: queue, then any of SKIP, ignore=, pkey=, backup, deny, upstream, when=, ev_type=, ev_data=, ev_extra1= to ev_extra4=.';
