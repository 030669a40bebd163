create or replace function pgq.batch_retry(i_batch_id bigint, i_retry_seconds int) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    sub pgq.subscription;
    events int;
begin
    select * into sub from pgq.subscription where sub_batch = i_batch_id;
    if not found then
        raise exception 'batch_retry: batch % not found', i_batch_id
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_txid, ev_owner, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
        select now() + make_interval(secs => i_retry_seconds), sub.sub_queue,
            e.ev_id, e.ev_time, null, sub.sub_id, coalesce(e.ev_retry, 0) + 1,
            e.ev_type, e.ev_data, e.ev_extra1, e.ev_extra2, e.ev_extra3, e.ev_extra4
        from pgq.get_batch_events(i_batch_id) e
        on conflict do nothing;
    get diagnostics events = row_count;
    return events;
end;
$$;

comment on function pgq.batch_retry(bigint, int) is
'Has all events of an open batch delivered to its consumer again, after some seconds. Returns how many were not waiting for that already.';
