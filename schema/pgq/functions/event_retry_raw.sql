create or replace function pgq.event_retry_raw(
    x_queue text, x_consumer text, x_retry_after timestamptz,
    x_ev_id bigint, x_ev_time timestamptz, x_ev_retry int, x_ev_type text, x_ev_data text,
    x_ev_extra1 text, x_ev_extra2 text, x_ev_extra3 text, x_ev_extra4 text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    id bigint := x_ev_id;
    q pgq.queue;
    owner int;
begin
    select s.sub_id into owner
        from pgq.subscription s
        join pgq.queue on queue_id = s.sub_queue
        join pgq.consumer c on c.co_id = s.sub_consumer
        where queue_name = x_queue and c.co_name = x_consumer;
    if not found then
        raise exception 'consumer not registered'
            using errcode = 'undefined_object', hint = 'pgq.register_consumer(queue, consumer) registers it';
    end if;
    select * into strict q from pgq.queue where queue_name = x_queue;
    if id is null then
        id := nextval(q.queue_event_seq::regclass);
    end if;
    -- Who brings an event says how often it was delivered.
    if x_ev_retry >= (select p.max_attempts from skytools.queue_policy p where p.queue_id = q.queue_id) then
        insert into skytools.dead_event (dead_queue, dead_consumer, dead_reason, ev_id, ev_time, ev_retry,
                ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
            values (q.queue_id, x_consumer, format('delivered %s times', x_ev_retry), id, x_ev_time, x_ev_retry - 1,
                x_ev_type, x_ev_data, x_ev_extra1, x_ev_extra2, x_ev_extra3, x_ev_extra4)
            on conflict do nothing;
        return id;
    end if;
    insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_owner, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
        values (x_retry_after, q.queue_id, id, x_ev_time, owner, x_ev_retry,
            x_ev_type, x_ev_data, x_ev_extra1, x_ev_extra2, x_ev_extra3, x_ev_extra4);
    return id;
end;
$$;

comment on function pgq.event_retry_raw(text, text, timestamptz, bigint, timestamptz, int, text, text, text, text, text, text) is
'Puts an event of any origin among those that one consumer gets later, or among its dead letters if it has been delivered the queue''s max_attempts. Returns its ev_id.';
