create or replace function pgq_node.set_consumer_uptodate(
    i_queue_name text, i_consumer_name text, i_uptodate boolean, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    update pgq_node.local_state set uptodate = i_uptodate
        where queue_name = i_queue_name and consumer_name = i_consumer_name;
    if found then
        ret_code := 200;
        ret_note := format('Consumer "%s" uptodate set to %s', i_consumer_name, i_uptodate);
    else
        ret_code := 404;
        ret_note := 'Unknown consumer: ' || coalesce(i_queue_name, 'NULL') || '/' || coalesce(i_consumer_name, 'NULL');
    end if;
end;
$$;

comment on function pgq_node.set_consumer_uptodate(text, text, boolean) is
'The consumer''s word that it has seen its latest state. Codes: 200; 404.';
