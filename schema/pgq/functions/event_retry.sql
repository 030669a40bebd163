create or replace function pgq.event_retry(x_batch_id bigint, x_event_id bigint, x_retry_time timestamptz) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    ev pgq.event_template;
    sql text := skytools.batch_query_of(x_batch_id, 'ev_id = ' || x_event_id);
begin
    if sql is not null then
        execute sql into ev.ev_id, ev.ev_time, ev.ev_txid, ev.ev_retry,
            ev.ev_type, ev.ev_data, ev.ev_extra1, ev.ev_extra2, ev.ev_extra3, ev.ev_extra4;
    end if;
    if ev.ev_id is null then
        raise exception 'event not found'
            using errcode = 'undefined_object', hint = 'pgq.get_batch_events(batch) lists the events of an open batch';
    end if;
    insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_txid, ev_owner, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
        select x_retry_time, s.sub_queue, ev.ev_id, ev.ev_time, null, s.sub_id, coalesce(ev.ev_retry, 0) + 1,
            ev.ev_type, ev.ev_data, ev.ev_extra1, ev.ev_extra2, ev.ev_extra3, ev.ev_extra4
        from pgq.subscription s where s.sub_batch = x_batch_id
        on conflict do nothing;
    return case when found then 1 else 0 end;
end;
$$;

comment on function pgq.event_retry(bigint, bigint, timestamptz) is
'Has an event of an open batch delivered to its consumer again, not before a time. Returns 1, or 0 if that was asked before.';

create or replace function pgq.event_retry(x_batch_id bigint, x_event_id bigint, x_retry_seconds int) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return pgq.event_retry(x_batch_id, x_event_id, now() + make_interval(secs => x_retry_seconds));
end;
$$;

comment on function pgq.event_retry(bigint, bigint, int) is
'Has an event of an open batch delivered to its consumer again, after some seconds. Returns 1, or 0 if that was asked before.';
