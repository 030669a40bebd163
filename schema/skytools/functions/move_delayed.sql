create or replace function skytools.move_delayed(i_limit int default 10000) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    closed int[] := skytools.closed_queues();
    queues int[];
begin
    select array_agg(distinct ev_queue) into queues from (
        select d.ev_queue from skytools.delayed_event d join pgq.queue on queue_id = d.ev_queue
        where d.deliver_at <= now() and d.ev_queue <> all (closed)
        order by d.deliver_at, d.delayed_id limit i_limit) due;
    -- As in move_retries.
    if queues is null or not pg_try_advisory_xact_lock(1399552081, 1) then
        return 0;
    end if;
    return skytools.requeue(format($sql$
        delete from skytools.delayed_event e using (
            select delayed_id from skytools.delayed_event
            where deliver_at <= now() and ev_queue = any (%L)
            order by deliver_at, delayed_id limit %s for update skip locked) d
        where e.delayed_id = d.delayed_id
        returning e.ev_queue, null::bigint as ev_id, e.deliver_at as ev_time, null::int as ev_owner, null::int as ev_retry,
            e.ev_type, e.ev_data, e.ev_extra1, e.ev_extra2, e.ev_extra3, e.ev_extra4,
            e.deliver_at as due_at, e.delayed_id as due_nr
        $sql$, queues, i_limit), queues);
end;
$$;

comment on function skytools.move_delayed(int) is
'Puts up to i_limit delayed events that are due into their queues, by one statement, those first that are due longest. Events of a queue that takes none wait. Returns how many it moved.';
