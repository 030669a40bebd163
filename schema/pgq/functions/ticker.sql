create or replace function pgq.ticker(i_queue_name text, i_tick_id bigint, i_orig_timestamp timestamptz, i_event_seq bigint)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue
        where queue_name = i_queue_name and queue_external_ticker and not queue_ticker_paused;
    if not found then
        raise exception 'queue not found or ticker disabled: %', i_queue_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'ticks are given from outside only to a queue with external_ticker on and ticker_paused off';
    end if;
    perform skytools.tick_write(q.queue_id, i_tick_id, i_orig_timestamp, i_event_seq);
    perform setval(q.queue_tick_seq::regclass, greatest(i_tick_id, pgq.seq_getval(q.queue_tick_seq)));
    perform pgq.seq_setval(q.queue_event_seq, i_event_seq);
    return i_tick_id;
end;
$$;

comment on function pgq.ticker(text, bigint, timestamptz, bigint) is
'Writes a tick that another node made, with its id, time and event sequence value, and moves the queue''s sequences up to them. Returns the tick''s id.';

create or replace function pgq.ticker(i_queue_name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if found then
        -- What decides is read under the lock: another session may have ticked
        -- the queue, paused it or dropped it.
        perform skytools.tick_lock(q.queue_id);
        select * into q from pgq.queue where queue_name = i_queue_name;
    end if;
    if not found then
        raise exception 'no such queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    if q.queue_external_ticker then
        raise exception 'This queue has external tick source.'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'its ticks come from the node that it follows';
    end if;
    if q.queue_ticker_paused then
        raise exception 'Ticker has been paused for this queue'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'pgq.set_queue_config(queue, ''ticker_paused'', ''0'') lets it go on';
    end if;
    if skytools.tick_due(q.queue_id) then
        return skytools.tick_write(q.queue_id);
    end if;
    return null;
end;
$$;

comment on function pgq.ticker(text) is
'Ticks one queue if a tick is due. Returns the tick''s id, or NULL.';

create or replace function pgq.ticker() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    one int;
    ticked bigint := 0;
begin
    -- In name order, as the locks are kept until the end. A queue that another
    -- session pauses or drops meanwhile is passed over.
    for one in
        select queue_id from pgq.queue
        where not queue_external_ticker and not queue_ticker_paused
        order by queue_name
    loop
        perform skytools.tick_lock(one);
        perform 1 from pgq.queue
            where queue_id = one and not queue_external_ticker and not queue_ticker_paused;
        if found and skytools.tick_due(one) then
            perform skytools.tick_write(one);
            ticked := ticked + 1;
        end if;
    end loop;
    return ticked;
end;
$$;

comment on function pgq.ticker() is
'Ticks every queue that is due and has its own running ticker. Returns how many it ticked.';
