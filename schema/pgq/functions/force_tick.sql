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
    -- The gap in the ids makes any ticker tick at its next look. Where none
    -- ticks, a gap would only get into the way of ids that come from elsewhere.
    if not (q.queue_external_ticker or q.queue_ticker_paused) then
        perform setval(q.queue_event_seq::regclass,
            nextval(q.queue_event_seq::regclass) + q.queue_ticker_max_count * 2 + 1000);
    end if;
    return (select max(tick_id) from pgq.tick where tick_queue = q.queue_id);
end;
$$;

comment on function pgq.force_tick(text) is
'Makes the ticker tick at its next run, by a jump of the event sequence, unless the queue is paused or ticked from outside. Returns the last tick''s id, NULL for an unknown queue.';
