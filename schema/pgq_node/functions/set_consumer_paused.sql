create or replace function pgq_node.set_consumer_paused(
    i_queue_name text, i_consumer_name text, i_paused boolean, out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    word text := case when i_paused then 'paused' else 'resumed' end;
    was boolean;
begin
    select s.paused into was from pgq_node.local_state s
        where s.queue_name = i_queue_name and s.consumer_name = i_consumer_name for update;
    if not found then
        ret_code := 404;
        ret_note := 'Unknown consumer: ' || coalesce(i_queue_name, 'NULL') || '/' || coalesce(i_consumer_name, 'NULL');
        return;
    elsif was = i_paused then
        ret_code := 201;
        ret_note := format('Consumer "%s" already %s', i_consumer_name, word);
        return;
    end if;
    -- The consumer answers by setting uptodate again.
    update pgq_node.local_state set paused = i_paused, uptodate = false
        where queue_name = i_queue_name and consumer_name = i_consumer_name;
    ret_code := 200;
    ret_note := format('Consumer "%s" tagged as %s', i_consumer_name, word);
end;
$$;

comment on function pgq_node.set_consumer_paused(text, text, boolean) is
'Asks a consumer to pause or to go on. Codes: 200; 201 nothing to change; 404.';
