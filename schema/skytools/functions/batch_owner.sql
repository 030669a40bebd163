create or replace function skytools.batch_owner(
    i_batch_id bigint, out queue_id int, out sub_id int, out consumer_name text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    -- Members of a cooperative consumer have its sub_id, and longer names.
    select s.sub_queue, s.sub_id, c.co_name
    from pgq.subscription s
    join pgq.subscription m on m.sub_queue = s.sub_queue and m.sub_id = s.sub_id
    join pgq.consumer c on c.co_id = m.sub_consumer
    where s.sub_batch = i_batch_id
    order by length(c.co_name) limit 1;
$$;

comment on function skytools.batch_owner(bigint) is
'Whose an open batch is: queue, sub_id, and the consumer, the main one if it is a member''s; NULLs for an unknown batch.';
