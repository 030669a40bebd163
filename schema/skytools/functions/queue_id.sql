create or replace function skytools.queue_id(i_queue_name text) returns int
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    the_queue int;
begin
    select queue_id into the_queue from pgq.queue where queue_name = i_queue_name;
    if not found then
        raise exception 'No such event queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    return the_queue;
end;
$$;

comment on function skytools.queue_id(text) is
'Number of a queue; an error if there is none of that name.';
