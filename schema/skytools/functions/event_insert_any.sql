create or replace function skytools.event_insert_any(
    i_queue text, i_type text, i_data text, i_extra1 text, i_extra2 text, i_extra3 text, i_extra4 text)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return pgq.insert_event_raw(i_queue, null, now(), null, null, i_type, i_data, i_extra1, i_extra2, i_extra3, i_extra4);
end;
$$;
comment on function skytools.event_insert_any(text, text, text, text, text, text, text) is
    'Puts an event into any queue, or says why not: the way of pgq.insert_event where the queue is closed, limited, or not among the generated functions.';
