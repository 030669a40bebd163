create or replace function skytools.tick_due(i_queue_id int) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    last_tick pgq.tick;
    gap interval;
    lag interval;
    events bigint;
begin
    select * into strict q from pgq.queue where queue_id = i_queue_id;
    select * into last_tick from pgq.tick
        where tick_queue = i_queue_id order by tick_id desc limit 1;
    if not found then
        return true;
    end if;
    lag := clock_timestamp() - last_tick.tick_time;
    events := pgq.seq_getval(q.queue_event_seq) - last_tick.tick_event_seq;
    if events < 0 then
        raise warning 'Negative new_events?  old=% cur=%',
            last_tick.tick_event_seq, events + last_tick.tick_event_seq
            using errcode = 'data_corrupted',
                hint = 'the event sequence was set back: set it to the largest ev_id of the queue';
    end if;
    if skytools.tick_forced(i_queue_id) then
        return true;
    end if;
    if events > 0 then
        return events >= q.queue_ticker_max_count or lag >= q.queue_ticker_max_lag;
    end if;

    -- Nothing new: each pause is twice as long as the one before, until it
    -- reaches the idle period. A queue's second tick comes at once.
    select last_tick.tick_time - t.tick_time into gap from pgq.tick t
        where t.tick_queue = i_queue_id and t.tick_id < last_tick.tick_id
        order by t.tick_id desc limit 1;
    return gap is null
        or lag >= q.queue_ticker_max_lag / 2 and (lag >= gap * 2 or lag >= q.queue_ticker_idle_period);
end;
$$;

comment on function skytools.tick_due(int) is
'Is a tick of the queue due by its max_count, max_lag and idle_period, or forced? Call it under the tick lock.';
