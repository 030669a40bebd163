create or replace function skytools.own_queue(i_queue_id int, i_queue_name text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1 from pgq.queue where queue_id = i_queue_id and queue_name = i_queue_name;
    if not found then
        raise exception 'permission denied for queue %', coalesce(i_queue_name, 'NULL')
            using errcode = 'insufficient_privilege',
                hint = format('this function serves queue %s only', (select queue_name from pgq.queue where queue_id = i_queue_id));
    end if;
    return i_queue_name;
end;
$$;

comment on function skytools.own_queue(int, text) is
'Passes on the name of the queue of that number, and refuses any other.';
