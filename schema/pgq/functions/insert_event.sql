create or replace function pgq.insert_event(queue_name text, ev_type text, ev_data text) returns bigint
language plpgsql volatile
as $$
begin
    return pgq.insert_event(queue_name, ev_type, ev_data, null, null, null, null);
end;
$$;

comment on function pgq.insert_event(text, text, text) is
'Puts an event into a queue. Returns its ev_id.';

create or replace function pgq.insert_event(
    queue_name text, ev_type text, ev_data text,
    ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return pgq.insert_event_raw(queue_name, null, now(), null, null,
        ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4);
end;
$$;

comment on function pgq.insert_event(text, text, text, text, text, text, text) is
'Puts an event with extra fields into a queue. Its time is the transaction''s start. Returns its ev_id.';
