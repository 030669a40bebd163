create or replace function skytools.queue_event_tables(i_queue_id int) returns setof regclass
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select pgq.quote_fqname(q.queue_data_pfx || '_' || nr)::regclass
        from pgq.queue q, generate_series(0, q.queue_ntables - 1) nr
        where q.queue_id = i_queue_id
$$;

comment on function skytools.queue_event_tables(int) is
'Event tables of a queue.';
