create or replace function pgq.get_queue_info(
    i_queue_name text,
    out queue_name text, out queue_ntables int, out queue_cur_table int,
    out queue_rotation_period interval, out queue_switch_time timestamptz,
    out queue_external_ticker boolean, out queue_ticker_paused boolean,
    out queue_ticker_max_count int, out queue_ticker_max_lag interval, out queue_ticker_idle_period interval,
    out ticker_lag interval, out ev_per_sec float8, out ev_new bigint, out last_tick_id bigint)
returns setof record
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select q.queue_name, q.queue_ntables, q.queue_cur_table,
            q.queue_rotation_period, q.queue_switch_time,
            q.queue_external_ticker, q.queue_ticker_paused,
            q.queue_ticker_max_count, q.queue_ticker_max_lag, q.queue_ticker_idle_period,
            now() - t.last_time,
            (t.events / nullif(extract(epoch from t.span), 0))::float8,
            pgq.seq_getval(q.queue_event_seq) - t.last_seq,
            t.last_id
        from pgq.queue q
        left join lateral (
            select max(l.tick_id) as last_id, max(l.tick_time) as last_time, max(l.tick_event_seq) as last_seq,
                max(l.tick_event_seq) - min(l.tick_event_seq) as events,
                max(l.tick_time) - min(l.tick_time) as span
            from (select * from pgq.tick where tick_queue = q.queue_id order by tick_id desc limit 20) l
        ) t on true
        where q.queue_name = i_queue_name or i_queue_name is null
        order by q.queue_name;
end;
$$;

comment on function pgq.get_queue_info(text) is
'Settings and state of one queue, or of all for NULL: time since the last tick, events per second over the last 20 ticks, events since the last tick.';

create or replace function pgq.get_queue_info(
    out queue_name text, out queue_ntables int, out queue_cur_table int,
    out queue_rotation_period interval, out queue_switch_time timestamptz,
    out queue_external_ticker boolean, out queue_ticker_paused boolean,
    out queue_ticker_max_count int, out queue_ticker_max_lag interval, out queue_ticker_idle_period interval,
    out ticker_lag interval, out ev_per_sec float8, out ev_new bigint, out last_tick_id bigint)
returns setof record
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select * from pgq.get_queue_info(null);
end;
$$;

comment on function pgq.get_queue_info() is
'Settings and state of all queues.';
