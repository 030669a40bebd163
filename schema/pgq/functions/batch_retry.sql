create or replace function pgq.batch_retry(i_batch_id bigint, i_retry_seconds int) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    sql text := skytools.batch_query_of(i_batch_id);
begin
    if sql is null then
        raise exception 'batch_retry: batch % not found', i_batch_id
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    return (select r.retried + r.dead
        from skytools.retry_write(i_batch_id, sql, now() + make_interval(secs => i_retry_seconds), null) r);
end;
$$;

comment on function pgq.batch_retry(bigint, int) is
'Has all events of an open batch delivered to its consumer again, after some seconds; those that had the queue''s max_attempts become dead letters. Returns how many were not waiting for that already.';
