create or replace function skytools.maint_thin_ticks(i_queue_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    the_queue int := (select queue_id from pgq.queue where queue_name = i_queue_name);
    extra bigint[];
    deleted int;
begin
    -- Who is about to point at a tick holds its row FOR KEY SHARE: such a tick
    -- is passed over, and whoever comes later waits here and finds it gone.
    with followed as (
        select tick_id, tick_time, lead(tick_time) over (order by tick_id) as next_time
        from pgq.tick where tick_queue = the_queue
    ), locked as (
        select t.tick_id
        from pgq.tick t join followed f using (tick_id)
        where t.tick_queue = the_queue
            and f.tick_time < clock_timestamp() - interval '10 minutes'
            and date_trunc('second', f.tick_time) = date_trunc('second', f.next_time)
        for update of t skip locked
    )
    select array_agg(tick_id) into extra from locked;

    -- A statement of its own: it sees who has pointed at one until the lock.
    with reader as materialized ( -- once: there may be many dead versions
        select sub_last_tick, sub_next_tick, sub_active from pgq.subscription where sub_queue = the_queue
    )
    delete from pgq.tick t
        where t.tick_queue = the_queue and t.tick_id = any (extra)
            and not exists (
                select 1 from reader s
                where (t.tick_id in (s.sub_last_tick, s.sub_next_tick)
                        or t.tick_id > s.sub_last_tick
                            and t.tick_time > s.sub_active - interval '1 hour'
                            and t.tick_time < s.sub_active + interval '1 hour'))
            and not exists (
                select 1 from skytools.coop_slot c
                where c.sub_queue = the_queue and t.tick_id in (c.last_tick, c.next_tick))
            and not exists (
                select 1 from pgq_node.local_state l
                where l.queue_name = i_queue_name and l.last_tick_id = t.tick_id)
            and not exists (
                select 1 from skytools.barrier b
                where b.queue_name = i_queue_name and b.tick_id = t.tick_id and b.until > clock_timestamp())
            and not exists (
                select 1 from skytools.detached_consumer d
                where d.detached_queue = the_queue and t.tick_id in (d.last_tick, d.next_tick));
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function skytools.maint_thin_ticks(text) is
'Deletes ticks older than ten minutes but for the last one of each second, and returns their number. A tick that a subscription, a node, a detached consumer or a barrier points at stays, and so do those that a worker may have applied up to without having told yet: after its last tick, within an hour of its last sign of life. Readers choose among old ticks only such as this leaves.';
