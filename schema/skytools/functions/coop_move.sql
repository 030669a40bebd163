create or replace function skytools.coop_move(i_queue int, i_consumer int, i_tick_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    update pgq.subscription set sub_last_tick = null, sub_next_tick = null, sub_batch = null
        where sub_batch in (select batch_id from skytools.coop_slot
            where sub_queue = i_queue and sub_consumer = i_consumer);
    update skytools.coop_slot set last_tick = i_tick_id, next_tick = null, batch_id = null
        where sub_queue = i_queue and sub_consumer = i_consumer;
end;
$$;

comment on function skytools.coop_move(int, int, bigint) is
'Puts all slots of a cooperative consumer to a tick and drops its members'' open batches. The main row must be locked.';
