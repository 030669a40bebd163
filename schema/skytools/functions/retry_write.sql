create or replace function skytools.retry_write(
    i_batch_id bigint, i_events text, i_retry_after timestamptz, i_reason text,
    out events int, out retried int, out dead int)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    whose record;
    attempts int;
begin
    select * into whose from skytools.batch_owner(i_batch_id);
    if whose.queue_id is null then -- ended, or taken over, since the query was made
        raise exception 'batch not found'
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    select p.max_attempts into attempts from skytools.queue_policy p where p.queue_id = whose.queue_id;
    -- An event waits for its retry or is dead, not both: dead wins, so that a
    -- batch that is worked on again after a crash does not bring it back.
    -- A batch may hold an event twice: asked for again, and brought back, before
    -- it was finished.
    execute 'with ev as (select distinct on (ev_id) * from (' || i_events || $sql$) e
            order by ev_id, ev_retry desc nulls last
        ), judged as (
            select ev.*, coalesce($4 is not null or coalesce(ev_retry, 0) + 1 >= $5, false) as hopeless from ev
        ), again as (
            insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_txid, ev_owner, ev_retry,
                    ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
                select $6, $1, ev_id, ev_time, null, $2, coalesce(ev_retry, 0) + 1,
                    ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
                from judged j
                where not hopeless and not exists (select from skytools.dead_event d
                    where d.dead_queue = $1 and d.dead_consumer = $3 and d.ev_id = j.ev_id)
                on conflict do nothing returning 1
        ), no_more as (
            delete from pgq.retry_queue r using judged j
                where j.hopeless and r.ev_owner = $2 and r.ev_id = j.ev_id
        ), buried as (
            insert into skytools.dead_event (dead_queue, dead_consumer, dead_reason, ev_id, ev_time, ev_retry,
                    ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
                select $1, $3, coalesce($4, format('delivered %s times', coalesce(ev_retry, 0) + 1)),
                    ev_id, ev_time, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
                from judged where hopeless
                on conflict do nothing returning 1
        )
        select (select count(*) from ev), (select count(*) from again), (select count(*) from buried)
        $sql$
        into events, retried, dead
        using whose.queue_id, whose.sub_id, whose.consumer_name, i_reason, attempts, i_retry_after;
end;
$$;

comment on function skytools.retry_write(bigint, text, timestamptz, text) is
'Puts the events that a query tells from an open batch into the retry queue or, given a reason or after the queue''s max_attempts, among the dead letters. Every retry of a batch''s events is written here. Returns how many events there were, and how many were put where they were not yet.';
