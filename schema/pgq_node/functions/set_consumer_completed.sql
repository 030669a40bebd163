create or replace function pgq_node.set_consumer_completed(
    i_queue_name text, i_consumer_name text, i_tick_id bigint, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    update pgq_node.local_state set last_tick_id = i_tick_id, cur_error = null
        where queue_name = i_queue_name and consumer_name = i_consumer_name;
    if found then
        ret_code := 100;
        ret_note := format('Consumer "%s" completed tick %s', i_consumer_name, i_tick_id);
    else
        ret_code := 404;
        ret_note := 'Unknown consumer: ' || coalesce(i_queue_name, 'NULL') || '/' || coalesce(i_consumer_name, 'NULL');
    end if;
end;
$$;

comment on function pgq_node.set_consumer_completed(text, text, bigint) is
'Moves a consumer''s position; call it in the transaction of the rows. Codes: 100; 404.';
