create or replace function pgq.batch_event_tables(x_batch_id bigint) returns setof text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select q.queue_data_pfx || '_' || nr
        from pgq.subscription s
        join pgq.queue q on q.queue_id = s.sub_queue, generate_series(0, q.queue_ntables - 1) nr
        where s.sub_batch = x_batch_id
        order by nr;
    if not found then
        raise exception 'Cannot find data for batch %', x_batch_id
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
end;
$$;

comment on function pgq.batch_event_tables(bigint) is
'Event tables that may hold events of a batch: all of the queue''s.';
