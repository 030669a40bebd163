create or replace function pgq.finish_batch(x_batch_id bigint) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as $$
begin
    -- A member of a cooperative consumer keeps no position. Its name tells, so
    -- that the others' rows, dead versions too, need not be looked at.
    perform 1 from pgq.subscription s
        join pgq.consumer c on c.co_id = s.sub_consumer
        where s.sub_batch = x_batch_id and c.co_name like '%.%';
    if found and skytools.coop_finish(x_batch_id) then
        return 1;
    end if;
    update pgq.subscription
        set sub_active = clock_timestamp(), sub_last_tick = sub_next_tick, sub_next_tick = null, sub_batch = null
        where sub_batch = x_batch_id;
    if found then
        return 1;
    end if;
    raise warning 'finish_batch: batch % not found', x_batch_id
        using errcode = 'undefined_object',
            hint = 'it was finished before, or its consumer was unregistered or moved';
    return 0;
end;
$$;

comment on function pgq.finish_batch(bigint) is
'Moves the consumer past its open batch. Returns 1, or 0 with a warning for an unknown batch.';
