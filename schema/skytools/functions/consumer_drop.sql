create or replace function skytools.consumer_drop(i_consumer int) returns void
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    -- All queues have this row in common. One that another session holds, such
    -- as to register the consumer, stays; one that stays is not locked.
    perform 1 from pgq.consumer c
        where c.co_id = i_consumer
            and not exists (select from pgq.subscription s where s.sub_consumer = c.co_id)
        for update skip locked;
    if found then
        delete from pgq.consumer c
            where c.co_id = i_consumer
                and not exists (select from pgq.subscription s where s.sub_consumer = c.co_id);
    end if;
end;
$$;

comment on function skytools.consumer_drop(int) is
'Deletes a consumer''s name if it is registered on no queue any more. Waits for nobody.';
