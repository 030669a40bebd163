create or replace function skytools.own_batch(i_queue_id int, i_batch_id bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1 from pgq.subscription where sub_batch = i_batch_id and sub_queue = i_queue_id;
    if found then
        return i_batch_id;
    end if;
    perform 1 from pgq.subscription where sub_batch = i_batch_id;
    if found then
        raise exception 'permission denied for batch %', i_batch_id
            using errcode = 'insufficient_privilege',
                hint = format('this function serves queue %s only', (select queue_name from pgq.queue where queue_id = i_queue_id));
    end if;
    -- An unknown one may be another queue's in a moment: the function that is
    -- called is not told its number.
    return null;
end;
$$;

comment on function skytools.own_batch(int, bigint) is
'Passes on an open batch of the queue of that number, refuses one of another queue, and makes NULL of an unknown one.';
