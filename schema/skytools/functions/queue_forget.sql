create or replace function skytools.queue_forget(i_queue_id int) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    delete from skytools.queue_policy where queue_id = i_queue_id;
    delete from skytools.dead_event where dead_queue = i_queue_id;
    delete from skytools.delayed_event where ev_queue = i_queue_id;
    delete from skytools.once_key where key_queue = i_queue_id;
end;
$$;

comment on function skytools.queue_forget(int) is
'Deletes what schema skytools keeps about a queue that is dropped: policies, dead letters, delayed events, keys.';
