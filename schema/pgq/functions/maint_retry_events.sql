create or replace function pgq.maint_retry_events() returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    ev record;
    events int := 0;
begin
    -- One at a time: two would put the same event back twice.
    lock table pgq.retry_queue in share update exclusive mode;
    for ev in
        select r.*, q.queue_name from pgq.retry_queue r join pgq.queue q on q.queue_id = r.ev_queue
        where r.ev_retry_after <= now()
        order by r.ev_retry_after limit 10
    loop
        events := events + 1;
        perform pgq.insert_event_raw(ev.queue_name, ev.ev_id, ev.ev_time, ev.ev_owner, ev.ev_retry,
            ev.ev_type, ev.ev_data, ev.ev_extra1, ev.ev_extra2, ev.ev_extra3, ev.ev_extra4);
        delete from pgq.retry_queue where ev_owner = ev.ev_owner and ev_id = ev.ev_id;
    end loop;
    return events;
end;
$$;

comment on function pgq.maint_retry_events() is
'Puts up to ten due retry events back into their queues. Returns how many: call it until that is 0.';
