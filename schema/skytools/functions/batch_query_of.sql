create or replace function skytools.batch_query_of(i_batch_id bigint, i_extra_where text default null) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- as in skytools.subscription_lock
as $$
declare
    sql text;
begin
    select skytools.batch_query(q.queue_data_pfx, q.queue_ntables, opening.tick_snapshot, closing.tick_snapshot,
            s.sub_id, case when f.slots is null then i_extra_where
                else concat_ws(' and ', f.slots, '(' || i_extra_where || ')') end)
        into sql
        from pgq.subscription s
        join pgq.queue q on q.queue_id = s.sub_queue
        join pgq.tick opening on opening.tick_queue = s.sub_queue and opening.tick_id = s.sub_last_tick
        join pgq.tick closing on closing.tick_queue = s.sub_queue and closing.tick_id = s.sub_next_tick
        cross join skytools.coop_filter(i_batch_id) f (slots)
        where s.sub_batch = i_batch_id;
    return sql;
end;
$$;

comment on function skytools.batch_query_of(bigint, text) is
'SQL that reads the events of an open batch, NULL for an unknown one.';
