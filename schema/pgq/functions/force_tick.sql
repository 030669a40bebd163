create or replace function pgq.force_tick(i_queue_name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        return null;
    end if;
    if not (q.queue_external_ticker or q.queue_ticker_paused) then
        return skytools.tick_force(q.queue_id);
    end if;
    -- Where none ticks, a mark would only get into the way of ids that come
    -- from elsewhere.
    return (select max(tick_id) from pgq.tick where tick_queue = q.queue_id);
end;
$$;

comment on function pgq.force_tick(text) is
'Makes the ticker tick at its next run, unless the queue is paused or ticked from outside. It need not be committed for that. Returns the last tick''s id, NULL for an unknown queue.';
