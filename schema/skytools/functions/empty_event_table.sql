create or replace function skytools.empty_event_table(i_table text, i_seen bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    newest bigint := skytools.lock_event_table(i_table, i_seen);
begin
    if newest is not null then
        execute 'truncate ' || pgq.quote_fqname(i_table);
    end if;
    return newest;
end;
$$;

comment on function skytools.empty_event_table(text, bigint) is
'Truncates an event table unless it is in use or holds an event of transaction i_seen or later. Returns the last transaction whose events went, 0 if there were none, NULL if the table stays as it is.';
