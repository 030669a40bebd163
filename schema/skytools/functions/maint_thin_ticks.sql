create or replace function skytools.maint_thin_ticks(i_queue_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    q record;
    deleted int;
begin
    select queue_id into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        return 0;
    end if;
    with followed as (
        select tick_id, tick_time, lead(tick_time) over (order by tick_id) as next_time
        from pgq.tick where tick_queue = q.queue_id
    )
    delete from pgq.tick t using followed f
    where t.tick_queue = q.queue_id and t.tick_id = f.tick_id
        and f.tick_time < clock_timestamp() - interval '10 minutes'
        and date_trunc('second', f.tick_time) = date_trunc('second', f.next_time)
        and not exists (
            select 1 from pgq.subscription s
            where s.sub_queue = q.queue_id
                and (f.tick_id in (s.sub_last_tick, s.sub_next_tick)
                    or f.tick_id > s.sub_last_tick
                        and f.tick_time > s.sub_active - interval '1 hour'
                        and f.tick_time < s.sub_active + interval '1 hour'))
        and not exists (
            select 1 from pgq_node.local_state l
            where l.queue_name = i_queue_name and l.last_tick_id = f.tick_id);
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function skytools.maint_thin_ticks(text) is
'Deletes ticks older than ten minutes but for the last one of each second, and returns their number. A tick that a subscription or node points at stays, and so do those that a worker may have applied up to without having told yet: after its last tick, within an hour of its last sign of life. Readers choose among old ticks only such as this leaves.';
