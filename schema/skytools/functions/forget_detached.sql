create or replace function skytools.forget_detached(i_queue_name text, i_consumer_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    owner int;
begin
    delete from skytools.detached_consumer d using pgq.queue q
        where q.queue_name = i_queue_name and d.detached_queue = q.queue_id and d.detached_consumer = i_consumer_name
        returning d.sub_id into owner;
    if not found then
        return 0;
    end if;
    delete from pgq.retry_queue where ev_owner = owner;
    return 1;
end;
$$;

comment on function skytools.forget_detached(text, text) is
'Gives a detached consumer up, with its retry events: its name can be registered anew. Returns 1, or 0 if there is none.';
