create or replace function pgq.finish_batch(x_batch_id bigint) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    -- A member of a cooperative consumer keeps no position.
    perform 1 from pgq.subscription s
        join pgq.subscription other using (sub_queue, sub_id)
        where s.sub_batch = x_batch_id and other.sub_consumer <> s.sub_consumer;
    if found and skytools.coop_finish(x_batch_id) then
        return 1;
    end if;
    update pgq.subscription
        set sub_active = now(), sub_last_tick = sub_next_tick, sub_next_tick = null, sub_batch = null
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
