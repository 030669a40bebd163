create or replace function pgq.maint_rotate_tables_step1(i_queue_name text) returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    slowest bigint;
    seen bigint;
    gone bigint;
begin
    -- The lock keeps registrations and other maintenance out; who waited for
    -- it finds the queue switched and not due. It lets foreign keys be checked:
    -- a lock that kept out ticks could meet one in a deadlock.
    select * into q from pgq.queue
        where queue_name = i_queue_name
            and queue_rotation_period is not null
            and queue_switch_step2 is not null
            and queue_switch_time + queue_rotation_period < now()
        for no key update;
    if not found then
        return 0;
    end if;
    if txid_current() < q.queue_switch_step1 then
        raise exception 'queue % maint failure: step1=%, current=%', i_queue_name, q.queue_switch_step1, txid_current()
            using errcode = 'data_corrupted',
                hint = 'transaction ids went back, as after a restore into a new cluster; events written now would never be read: stop the writers and raise the ids with pg_resetwal, or drop the queue and create it again';
    end if;

    select min(s.sub_last_tick) into slowest from pgq.subscription s where s.sub_queue = q.queue_id;
    if slowest is not null then
        select txid_snapshot_xmin(t.tick_snapshot) into seen from pgq.tick t
            where t.tick_queue = q.queue_id and t.tick_id = slowest;
        if seen is null or seen <= q.queue_switch_step2 then
            return 0;
        end if;
    end if;
    gone := skytools.empty_event_table(q.queue_data_pfx || '_' || (q.queue_cur_table + 1) % q.queue_ntables, seen);
    if gone is null then
        return 0;
    end if;

    -- Ticks that nobody can go back to, events after them being gone.
    with reader as materialized ( -- once: there may be many dead versions
        select sub_last_tick, sub_next_tick from pgq.subscription where sub_queue = q.queue_id
    )
    delete from pgq.tick t
        where t.tick_queue = q.queue_id
            and txid_snapshot_xmin(t.tick_snapshot) < greatest(q.queue_switch_step2, gone + 1)
            and t.tick_id < (select max(l.tick_id) from pgq.tick l where l.tick_queue = q.queue_id)
            and not exists (select from reader s where t.tick_id in (s.sub_last_tick, s.sub_next_tick));
    update pgq.queue
        set queue_cur_table = (q.queue_cur_table + 1) % q.queue_ntables,
            queue_switch_time = now(), queue_switch_step1 = txid_current(), queue_switch_step2 = null
        where queue_id = q.queue_id;
    return 0;
end;
$$;

comment on function pgq.maint_rotate_tables_step1(text) is
'Empties the next event table and makes it the current one, if rotation is due and nobody needs what is in the table. Returns 0.';
