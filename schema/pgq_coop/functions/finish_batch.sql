create or replace function pgq_coop.finish_batch(i_batch_id bigint) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    if skytools.coop_finish(i_batch_id) then
        return 1;
    end if;
    raise warning 'coop_finish_batch: batch % not found', i_batch_id
        using errcode = 'undefined_object', detail = skytools.coop_lost(i_batch_id),
            hint = 'what was done for it is done by another member: roll back; skytools.coop_finish_batch(batch) is an error then';
    return 0;
end;
$$;

comment on function pgq_coop.finish_batch(bigint) is
'A member is done with its batch. Returns 1, or 0 with a warning for a batch that was finished, or that another member took over.';
