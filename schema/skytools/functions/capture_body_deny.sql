create or replace function skytools.capture_body_deny(i_capture skytools.capture)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
select format($f$
begin
    if pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'local' then
        if tg_op OPERATOR(pg_catalog.=) any (%L::pg_catalog.text[]) then
            %s
        end if;
        raise exception 'Table ''%%.%%'' to queue ''%%'': change not allowed (%%)', tg_table_schema, tg_table_name, %L, tg_op
            using errcode = 'read_only_sql_transaction', hint = 'The option deny: skytools.trigger_remove takes it away.';
    end if;
    return coalesce(new, old);
end;
$f$, case when i_capture.key_numbers = '{}' then '{UPDATE,DELETE}' else '{}' end, skytools.capture_unkeyed(), i_capture.queue_name);
$$;
comment on function skytools.capture_body_deny(skytools.capture) is
    'Body of a function that refuses: changes of rows that nothing tells apart, and by the option deny all others.';
