create or replace function skytools.tick(i_queue_name text, i_after_tick bigint default null)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    q record;
    last record;
begin
    if pg_is_in_recovery() then
        return null;
    end if;
    select queue_id into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        raise exception 'no such queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    perform skytools.tick_lock(q.queue_id);

    -- What follows is read under the lock: another ticker may have been first.
    select queue_id, queue_event_seq, queue_tick_seq, queue_ticker_paused or queue_external_ticker as silent,
            queue_ticker_idle_period
        into q from pgq.queue where queue_name = i_queue_name;
    if not found or q.silent then
        return null;
    end if;
    select tick_id, tick_time, tick_event_seq into last from pgq.tick
        where tick_queue = q.queue_id order by tick_id desc limit 1;
    if not has_sequence_privilege(q.queue_tick_seq, 'USAGE') then
        return skytools.tick_extension(q.queue_id, last.tick_id is not distinct from i_after_tick);
    end if;
    if found and last.tick_event_seq = pgq.seq_getval(q.queue_event_seq)
        and last.tick_id is distinct from i_after_tick
        and not skytools.tick_forced(q.queue_id)
        and clock_timestamp() - last.tick_time < q.queue_ticker_idle_period
    then
        return null;
    end if;
    return skytools.tick_write(q.queue_id);
end;
$$;

comment on function skytools.tick(text, bigint) is
'Makes a tick of the queue if the event sequence moved since the last one, if the idle period is over, if a tick was forced, or if the last tick is still i_after_tick: the caller then knows of events committed since. Returns the tick, or null for none: nothing new, paused, ticked from elsewhere, or a standby.';
