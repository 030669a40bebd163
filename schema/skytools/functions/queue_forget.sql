create or replace function skytools.queue_forget(i_queue_id int) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    twin regprocedure;
begin
    delete from skytools.barrier b using pgq.queue q where q.queue_id = i_queue_id and b.queue_name = q.queue_name;
    delete from skytools.queue_policy where queue_id = i_queue_id;
    delete from skytools.dead_event where dead_queue = i_queue_id;
    delete from skytools.delayed_event where ev_queue = i_queue_id;
    delete from skytools.once_key where key_queue = i_queue_id;
    delete from skytools.backlog_warning where warn_queue = i_queue_id;
    delete from skytools.detached_consumer where detached_queue = i_queue_id;
    for twin in
        select p.oid from pg_proc p
        where p.pronamespace = 'skytools'::regnamespace and p.prosecdef
            and p.proname like format('queue\_%s\_%%', i_queue_id)
    loop
        execute format('drop function %s', twin);
    end loop;
end;
$$;

comment on function skytools.queue_forget(int) is
'Deletes what schema skytools keeps about a queue that is dropped: policies, dead letters, delayed events, keys, detached consumers, functions for those who had rights on it alone.';
