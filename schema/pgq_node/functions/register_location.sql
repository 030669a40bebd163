create or replace function pgq_node.register_location(
    i_queue_name text, i_node_name text, i_node_location text, i_dead boolean,
    out ret_code int, out ret_note text)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    kept text;
begin
    if i_node_location is null then
        -- Only the flag is set; an unknown node would be left without a location.
        update pgq_node.node_location set dead = coalesce(i_dead, false)
            where queue_name = i_queue_name and node_name = i_node_name
            returning node_location into kept;
        if not found then
            raise exception 'node % of queue % has no location', i_node_name, i_queue_name
                using errcode = 'null_value_not_allowed', hint = 'give its connect string';
        end if;
    else
        insert into pgq_node.node_location (queue_name, node_name, node_location, dead)
            values (i_queue_name, i_node_name, i_node_location, coalesce(i_dead, false))
            on conflict (queue_name, node_name) do update
                set node_location = excluded.node_location, dead = excluded.dead;
        kept := i_node_location;
    end if;
    perform 1 from pgq_node.subscriber_info s join pgq_node.node_info n using (queue_name)
        where s.queue_name = i_queue_name and n.node_type = 'root';
    if found then
        perform pgq.insert_event(i_queue_name, 'pgq.location-info', i_node_name,
            i_queue_name, kept, case when i_dead then 't' else 'f' end, null);
    end if;
    ret_code := 200;
    ret_note := 'Location registered';
end;
$$;

comment on function pgq_node.register_location(text, text, text, boolean) is
'Notes where a node of the set is, NULL keeping what is known, and whether it is dead. A root that has subscribers tells them. Codes: 200.';
