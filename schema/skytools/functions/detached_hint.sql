create or replace function skytools.detached_hint(i_queue_name text, i_consumer_name text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format('it was detached at tick %s, its backlog being %s; skytools.attach_consumer(%L, %L) brings it back,'
            || ' skytools.forget_detached(%3$L, %4$L) gives up what it had to read',
            d.last_tick, d.reason, i_queue_name, i_consumer_name)
    from skytools.detached_consumer d join pgq.queue q on q.queue_id = d.detached_queue
    where q.queue_name = i_queue_name and d.detached_consumer = i_consumer_name;
$$;

comment on function skytools.detached_hint(text, text) is
'What became of a detached consumer and what to do; NULL for any other.';
