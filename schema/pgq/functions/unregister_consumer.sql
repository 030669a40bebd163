create or replace function pgq.unregister_consumer(x_queue_name text, x_consumer_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    main pgq.subscription;
    gone int[];
begin
    select s.* into main
        from pgq.subscription s
        join pgq.queue q on q.queue_id = s.sub_queue
        join pgq.consumer c on c.co_id = s.sub_consumer
        where q.queue_name = x_queue_name and c.co_name = x_consumer_name
        for update of s;
    if not found then
        return skytools.forget_detached(x_queue_name, x_consumer_name);
    end if;

    -- Members of a cooperative consumer share the main one's sub_id: without it
    -- all go, a member goes alone.
    if skytools.coop_main(main) is not null then
        return skytools.coop_remove(main);
    end if;
    delete from pgq.retry_queue where ev_owner = main.sub_id;
    with done as (
        delete from pgq.subscription
            where sub_queue = main.sub_queue and sub_id = main.sub_id
            returning sub_consumer)
    select array_agg(sub_consumer) into gone from done;
    delete from skytools.coop_key k where k.sub_queue = main.sub_queue and k.sub_consumer = any (gone);
    perform skytools.consumer_drop(consumer) from unnest(gone) consumer;
    return cardinality(gone);
end;
$$;

comment on function pgq.unregister_consumer(text, text) is
'Removes a consumer from a queue with its retry events. Returns how many registrations went: 0 if it was none.';
