create or replace function skytools.tick_forced(i_queue_id int) returns boolean
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    select pg_sequence_last_value(to_regclass(queue_tick_seq)) is null from pgq.queue where queue_id = i_queue_id
$$;

comment on function skytools.tick_forced(int) is
'Was a tick of the queue forced since the last one?';
