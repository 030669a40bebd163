create or replace function pgq_node.set_consumer_error(
    i_queue_name text, i_consumer_name text, i_error_msg text, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    update pgq_node.local_state set cur_error = i_error_msg
        where queue_name = i_queue_name and consumer_name = i_consumer_name;
    if found then
        ret_code := 100;
        ret_note := format('Consumer "%s" error noted', i_consumer_name);
    else
        ret_code := 101;
        ret_note := format('Consumer "%s" not known, ignoring', i_consumer_name);
    end if;
end;
$$;

comment on function pgq_node.set_consumer_error(text, text, text) is
'Notes the error that a consumer stands at, NULL for none. Codes: 100; 101 not known.';
