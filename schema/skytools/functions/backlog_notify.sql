create or replace function skytools.backlog_notify(
    i_queue_name text, i_consumer_name text, i_action text, i_age interval, i_bytes bigint)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    select pg_notify('skytools_backlog', json_build_object('queue', i_queue_name, 'consumer', i_consumer_name,
        'action', i_action, 'age', extract(epoch from i_age)::bigint, 'bytes', i_bytes)::text);
$$;

comment on function skytools.backlog_notify(text, text, text, interval, bigint) is
'Notifies channel skytools_backlog, in JSON, of a consumer that is warned of or detached; the age is in seconds.';
