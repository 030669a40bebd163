create or replace function skytools.coop_finish(i_batch_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    member pgq.subscription;
begin
    -- A takeover holds this row, or passes over it while it is locked here.
    select * into member from pgq.subscription where sub_batch = i_batch_id for update;
    if not found or skytools.coop_main(member) is null then
        return false;
    end if;
    update skytools.coop_slot set last_tick = next_tick, next_tick = null, batch_id = null
        where batch_id = i_batch_id;
    if skytools.coop_left(member) then
        delete from pgq.subscription where sub_queue = member.sub_queue and sub_consumer = member.sub_consumer;
        perform skytools.consumer_drop(member.sub_consumer);
        return true;
    end if;
    update pgq.subscription
        set sub_last_tick = null, sub_next_tick = null, sub_batch = null, sub_active = clock_timestamp()
        where sub_queue = member.sub_queue and sub_consumer = member.sub_consumer;
    return true;
end;
$$;

comment on function skytools.coop_finish(bigint) is
'Ends the open batch of a cooperative consumer''s member; its slots stand at the closing tick then. Returns false if there is no such batch: it was finished, or taken over.';
