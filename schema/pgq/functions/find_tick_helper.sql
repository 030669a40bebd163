create or replace function pgq.find_tick_helper(
    i_queue_id int, i_prev_tick_id bigint, i_prev_tick_time timestamptz, i_prev_tick_seq bigint,
    i_min_count bigint, i_min_interval interval,
    out next_tick_id bigint, out next_tick_time timestamptz, out next_tick_seq bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    newest pgq.tick;
begin
    select * into newest from pgq.tick
        where tick_queue = i_queue_id and tick_id > i_prev_tick_id
        order by tick_id desc limit 1;
    if not found
        or (newest.tick_event_seq - i_prev_tick_seq >= i_min_count
            or newest.tick_time - i_prev_tick_time >= i_min_interval) is not true
    then
        return;
    end if;
    -- Far behind, a batch up to the newest tick would be too large: then it is
    -- the first tick that reaches either limit.
    if newest.tick_event_seq - i_prev_tick_seq > i_min_count * 2
        or newest.tick_time - i_prev_tick_time > i_min_interval * 2
    then
        select * into newest from pgq.tick
            where tick_queue = i_queue_id and tick_id > i_prev_tick_id
                and (tick_event_seq - i_prev_tick_seq >= i_min_count
                    or tick_time - i_prev_tick_time >= i_min_interval)
            order by tick_id limit 1;
    end if;
    next_tick_id := newest.tick_id;
    next_tick_time := newest.tick_time;
    next_tick_seq := newest.tick_event_seq;
end;
$$;

comment on function pgq.find_tick_helper(int, bigint, timestamptz, bigint, bigint, interval) is
'The tick that ends a batch of at least so many events or so much time; NULLs if there is none yet.';
