create or replace function skytools.coop_main(i_sub pgq.subscription) returns int
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select m.sub_consumer
        from pgq.subscription m
        join pgq.consumer mc on mc.co_id = m.sub_consumer
        join pgq.consumer c on c.co_id = i_sub.sub_consumer
        where m.sub_queue = i_sub.sub_queue and m.sub_id = i_sub.sub_id
            and m.sub_consumer <> i_sub.sub_consumer
            and starts_with(c.co_name, mc.co_name || '.')
        order by length(mc.co_name) limit 1
$$;

comment on function skytools.coop_main(pgq.subscription) is
'The cooperative consumer that this one is a member of, NULL if it is none: they share sub_id, and the member''s name is MAIN.MEMBER.';
