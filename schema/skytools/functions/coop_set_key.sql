create or replace function skytools.coop_set_key(
    i_queue_name text, i_consumer_name text, i_key text, i_slots int default 32)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    main pgq.subscription;
    old skytools.coop_key;
    stands bigint[];
begin
    if i_key is not null then
        if skytools.beside_extension() then
            raise exception 'members keep no order of keys over the extension pgq'
                using errcode = 'feature_not_supported',
                    hint = 'the extension reads batches whole: install the schemas of this program instead, or use one consumer for each key';
        end if;
        perform skytools.coop_key_sql(i_key);
    end if;
    perform pgq.register_consumer(i_queue_name, i_consumer_name);
    main := skytools.coop_lock(i_queue_name, i_consumer_name);
    if main.sub_id is null or skytools.coop_main(main) is not null then
        raise exception 'consumer % is member of another one, or gone', i_consumer_name
            using errcode = 'object_not_in_prerequisite_state', hint = 'give the main consumer''s name';
    end if;
    select * into old from skytools.coop_key k
        where k.sub_queue = main.sub_queue and k.sub_consumer = main.sub_consumer;
    if old.key is not distinct from i_key and (i_key is null or old.slots = i_slots) then
        return 0;
    end if;

    -- A key changes its slot: nothing may be under way, and no slot ahead.
    if exists (select from pgq.subscription
            where sub_queue = main.sub_queue and sub_id = main.sub_id and sub_batch is not null) then
        raise exception 'consumer % has batches open', i_consumer_name
            using errcode = 'object_in_use', hint = 'stop its members when they have finished, then try again';
    end if;
    select array_agg(distinct c.last_tick) into stands from skytools.coop_slot c
        where c.sub_queue = main.sub_queue and c.sub_consumer = main.sub_consumer;
    if cardinality(stands) > 1 then
        raise exception 'slots of consumer % stand at different ticks', i_consumer_name
            using errcode = 'object_in_use',
                hint = 'let its members go on until nothing is left to do, then stop them and try again';
    end if;
    update pgq.subscription set sub_last_tick = coalesce(stands[1], sub_last_tick)
        where sub_queue = main.sub_queue and sub_consumer = main.sub_consumer
        returning sub_last_tick into main.sub_last_tick;
    delete from skytools.coop_key k where k.sub_queue = main.sub_queue and k.sub_consumer = main.sub_consumer;
    if i_key is not null then
        insert into skytools.coop_key (sub_queue, sub_consumer, key, slots)
            values (main.sub_queue, main.sub_consumer, i_key, i_slots);
        insert into skytools.coop_slot (sub_queue, sub_consumer, slot, last_tick)
            select main.sub_queue, main.sub_consumer, nr, main.sub_last_tick from generate_series(0, i_slots - 1) nr;
    end if;
    return 1;
end;
$$;

comment on function skytools.coop_set_key(text, text, text, int) is
'Has the members of a cooperative consumer keep the order of events that have the same key: ev_type, ev_data, ev_extra1 to ev_extra4, or fields of ev_data as json:A,B or urlenc:A,B. Events are spread over slots by the key; pgq_coop.next_batch gives a member some slots of a batch, and a slot of the next batch only when that slot of the one before is finished. NULL: no order, batches go out whole. Returns 1, or 0 if it is so already.';
