create or replace function pgq.batch_event_sql(x_batch_id bigint) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sql text := skytools.batch_query_of(x_batch_id);
begin
    if sql is null then
        raise exception 'batch not found'
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    return sql;
end;
$$;

comment on function pgq.batch_event_sql(bigint) is
'SQL that reads the events of an open batch.';
