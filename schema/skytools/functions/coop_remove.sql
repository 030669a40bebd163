create or replace function skytools.coop_remove(i_member pgq.subscription) returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Its open batch does not go with it: slots are free again, a whole batch
    -- keeps the row until another member comes for it.
    update skytools.coop_slot set next_tick = null, batch_id = null where batch_id = i_member.sub_batch;
    if i_member.sub_batch is not null and not found then
        update pgq.subscription set sub_active = '1970-01-01 00:00:00+00'
            where sub_queue = i_member.sub_queue and sub_consumer = i_member.sub_consumer;
        return 1;
    end if;
    delete from pgq.subscription where sub_queue = i_member.sub_queue and sub_consumer = i_member.sub_consumer;
    perform skytools.consumer_drop(i_member.sub_consumer);
    return 1;
end;
$$;

comment on function skytools.coop_remove(pgq.subscription) is
'Removes a member of a cooperative consumer, whose row is locked, and leaves its open batch to the others. Returns 1.';
