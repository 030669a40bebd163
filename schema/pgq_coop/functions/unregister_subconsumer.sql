create or replace function pgq_coop.unregister_subconsumer(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text, i_batch_handling int)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    main pgq.subscription := skytools.coop_lock(i_queue_name, i_consumer_name);
    member pgq.subscription := skytools.coop_lock(i_queue_name, i_consumer_name || '.' || i_subconsumer_name);
begin
    if main.sub_id is null or member.sub_id is distinct from main.sub_id or skytools.coop_left(member) then
        return 0;
    end if;
    if member.sub_batch is not null and i_batch_handling = 0 then
        raise exception 'subconsumer has active batch'
            using errcode = 'object_in_use',
                hint = 'let it finish, or unregister it with batch handling 1: another member then gets the batch';
    elsif member.sub_batch is not null and i_batch_handling is distinct from 1 then
        raise exception 'unknown batch handling: %', coalesce(i_batch_handling::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = '0 fails if the member has a batch open, 1 gives the batch to another member';
    end if;
    return skytools.coop_remove(member);
end;
$$;

comment on function pgq_coop.unregister_subconsumer(text, text, text, int) is
'Removes a member of a cooperative consumer. With a batch open it fails for handling 0; for 1 the batch waits for the next member that asks, and no event is lost. Returns 1, or 0 for an unknown member.';
