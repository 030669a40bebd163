create or replace function skytools.is_cooperative(i_queue_id int, i_sub_id int) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) > 1 or count(k.key) > 0
    from pgq.subscription s
    left join skytools.coop_key k on k.sub_queue = s.sub_queue and k.sub_consumer = s.sub_consumer
    where s.sub_queue = i_queue_id and s.sub_id = i_sub_id;
$$;

comment on function skytools.is_cooperative(int, int) is
'Is it a consumer with members, or one whose events are spread over slots? Then one tick does not tell where it stands.';
