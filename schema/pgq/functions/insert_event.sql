-- Inlined into the statement that calls it.
create or replace function pgq.insert_event(queue_name text, ev_type text, ev_data text) returns bigint
language sql volatile
as $$ select pgq.insert_event($1, $2, $3, null, null, null, null) $$;

comment on function pgq.insert_event(text, text, text) is
'Puts an event into a queue. Returns its ev_id.';

-- A SET clause would cost a tenth of the call; the body names one function.
create or replace function pgq.insert_event(
    queue_name text, ev_type text, ev_data text,
    ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text)
returns bigint
language plpgsql volatile security definer
as $$
begin
    return skytools.event_insert($1, $2, $3, $4, $5, $6, $7);
end;
$$;

comment on function pgq.insert_event(text, text, text, text, text, text, text) is
'Puts an event with extra fields into a queue. Its time is the transaction''s start. Returns its ev_id.';
