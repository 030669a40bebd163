create or replace function skytools.cancel_delayed(i_queue_name text, i_delayed_ids bigint[]) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    cancelled int;
begin
    delete from skytools.delayed_event where ev_queue = the_queue and delayed_id = any (i_delayed_ids);
    get diagnostics cancelled = row_count;
    return cancelled;
end;
$$;

comment on function skytools.cancel_delayed(text, bigint[]) is
'Takes back events that are not in the queue yet. Returns how many.';
