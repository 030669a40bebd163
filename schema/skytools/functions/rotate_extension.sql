create or replace function skytools.rotate_extension(i_queue_name text) returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    slowest bigint;
    seen bigint;
    newest bigint;
begin
    -- The lock keeps registrations and other maintenance out, as in the
    -- extension, which takes it again.
    select * into q from pgq.queue
        where queue_name = i_queue_name
            and queue_rotation_period is not null
            and queue_switch_step2 is not null
            and queue_switch_time + queue_rotation_period < now()
        for update;
    if not found then
        return 0;
    end if;
    select min(s.sub_last_tick) into slowest from pgq.subscription s where s.sub_queue = q.queue_id;
    if slowest is not null then
        select txid_snapshot_xmin(t.tick_snapshot) into seen from pgq.tick t
            where t.tick_queue = q.queue_id and t.tick_id = slowest;
        if seen is null then
            return 0;
        end if;
    end if;
    newest := skytools.lock_event_table(q.queue_data_pfx || '_' || (q.queue_cur_table + 1) % q.queue_ntables, seen);
    if newest is null then
        return 0;
    end if;
    perform pgq.maint_rotate_tables_step1(i_queue_name);

    -- The extension keeps ticks by the time of the last rotation. A writer with
    -- an old snapshot may have filled the table after it: what went with the
    -- table nobody must go back to.
    delete from pgq.tick t
        where t.tick_queue = q.queue_id
            and exists (select from pgq.queue r where r.queue_id = q.queue_id and r.queue_cur_table <> q.queue_cur_table)
            and txid_snapshot_xmin(t.tick_snapshot) < newest + 1
            and t.tick_id < (select max(l.tick_id) from pgq.tick l where l.tick_queue = q.queue_id)
            and not exists (select from pgq.subscription s
                where s.sub_queue = q.queue_id and t.tick_id in (s.sub_last_tick, s.sub_next_tick));
    return 0;
end;
$$;

comment on function skytools.rotate_extension(text) is
'Step 1 of a rotation on the real extension: its own function, called only while nobody needs what is in the next event table. The extension itself goes by the time of the last rotation, and so empties a table that a REPEATABLE READ writer has just filled. Returns 0.';
