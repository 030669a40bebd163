create or replace function skytools.insert_event_at(
    i_queue_name text, i_at timestamptz, ev_type text, ev_data text,
    ev_extra1 text default null, ev_extra2 text default null,
    ev_extra3 text default null, ev_extra4 text default null)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
#variable_conflict use_variable
declare
    q record := skytools.queue_open(i_queue_name);
    id bigint;
begin
    insert into skytools.delayed_event as d (deliver_at, ev_queue, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
        values (greatest(i_at, now()), q.queue_id, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
        returning d.delayed_id into id;
    return id;
end;
$$;

comment on function skytools.insert_event_at(text, timestamptz, text, text, text, text, text, text) is
'Puts an event into a queue when a time has come, never before; NULL or a time that is past: as soon as the event is committed. It gets its ev_id then, and that time as ev_time. Returns a number by which skytools.cancel_delayed takes it back.';
