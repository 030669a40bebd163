create or replace function skytools.dead_replay(
    i_queue_name text, i_consumer_name text, i_dead_ids bigint[] default null)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    owner int;
    replayed int;
begin
    select s.sub_id into owner
        from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
        where s.sub_queue = the_queue and c.co_name = i_consumer_name;
    if not found then
        raise exception 'consumer not registered'
            using errcode = 'undefined_object', hint = 'pgq.register_consumer(queue, consumer) registers it';
    end if;
    -- An event that waits for a retry by itself has no need of its letter.
    with alive as (
        delete from skytools.dead_event
            where dead_queue = the_queue and dead_consumer = i_consumer_name
                and (dead_id = any (i_dead_ids) or i_dead_ids is null)
            returning *
    ), again as (
        insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_owner, ev_retry,
                ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
            select now(), the_queue, ev_id, ev_time, owner, 0,
                ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
            from alive
            on conflict do nothing
    )
    select count(*) into replayed from alive;
    return replayed;
end;
$$;

comment on function skytools.dead_replay(text, text, bigint[]) is
'Has dead letters, all or those of the given dead_ids, delivered to their consumer again, and to no other. Their attempts count anew. Returns how many, with those that wait for a retry already.';
