create or replace function skytools.coop_filter(i_batch_id bigint) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format('(pg_catalog.hashtextextended((%s) collate pg_catalog."C", 0) & 9223372036854775807) %% %s = any (%L::bigint[])',
            skytools.coop_key_sql(k.key), k.slots, array_agg(c.slot order by c.slot))
        from skytools.coop_slot c
        join skytools.coop_key k on k.sub_queue = c.sub_queue and k.sub_consumer = c.sub_consumer
        where c.batch_id = i_batch_id
        group by k.key, k.slots
$$;

comment on function skytools.coop_filter(bigint) is
'Condition in SQL for the events in the slots of a batch, NULL if it has all events.';
