create or replace function pgq_coop.register_subconsumer(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    member_name text := i_consumer_name || '.' || i_subconsumer_name;
    main pgq.subscription;
    member pgq.subscription;
begin
    perform pgq.register_consumer(i_queue_name, i_consumer_name);
    main := skytools.coop_lock(i_queue_name, i_consumer_name);
    if main.sub_id is null then
        raise exception 'main consumer not found'
            using errcode = 'undefined_object', hint = 'it was unregistered at this moment: try again';
    end if;
    if skytools.coop_main(main) is not null then
        raise exception 'consumer % is a member of another one', i_consumer_name
            using errcode = 'object_not_in_prerequisite_state', hint = 'give the main consumer''s name';
    end if;
    member := skytools.coop_lock(i_queue_name, member_name);
    if member.sub_id is not null then
        if member.sub_id <> main.sub_id then
            raise exception 'consumer % is no member of %', member_name, i_consumer_name
                using errcode = 'duplicate_object',
                    hint = 'it was registered by itself: give the member another name, or unregister it';
        end if;
        if skytools.coop_left(member) then
            update pgq.subscription set sub_active = clock_timestamp()
                where sub_queue = member.sub_queue and sub_consumer = member.sub_consumer;
            return 1;
        end if;
        return 0;
    end if;
    perform pgq.register_consumer(i_queue_name, member_name);
    -- A member has the main one's sub_id, which retried events go by, and no
    -- position of its own.
    update pgq.subscription s
        set sub_id = main.sub_id, sub_last_tick = null, sub_next_tick = null
        from pgq.consumer c
        where c.co_name = member_name and s.sub_queue = main.sub_queue and s.sub_consumer = c.co_id;
    return 1;
end;
$$;

comment on function pgq_coop.register_subconsumer(text, text, text) is
'Registers a member of a cooperative consumer, and the consumer with the first one. Returns 1, or 0 if the member was registered before.';
