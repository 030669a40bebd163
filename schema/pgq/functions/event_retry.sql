create or replace function pgq.event_retry(x_batch_id bigint, x_event_id bigint, x_retry_time timestamptz) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    wanted text := 'ev_id = ' || coalesce(x_event_id::text, 'null');
    places tid[] := skytools.event_places(x_batch_id, x_event_id);
    sql text;
    written record;
begin
    if places is not null then
        select * into written from skytools.retry_write(x_batch_id,
            skytools.batch_query_of(x_batch_id, format('%s and ctid = any (%L::pg_catalog.tid[])', wanted, places)),
            x_retry_time, null);
        if written.events > 0 then
            return written.retried + written.dead;
        end if;
    end if;
    sql := skytools.batch_query_of(x_batch_id, wanted);
    if sql is not null then
        select * into written from skytools.retry_write(x_batch_id, sql, x_retry_time, null);
        if written.events > 0 then
            return written.retried + written.dead;
        end if;
    end if;
    raise exception 'event not found'
        using errcode = 'undefined_object', hint = 'pgq.get_batch_events(batch) lists the events of an open batch';
end;
$$;

comment on function pgq.event_retry(bigint, bigint, timestamptz) is
'Has an event of an open batch delivered to its consumer again, not before a time; one that had the queue''s max_attempts becomes a dead letter. Returns 1, or 0 if that was asked before. For many events of a batch there is skytools.event_retry.';

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
