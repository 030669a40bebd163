create or replace function skytools.coop_finish_batch(i_batch_id bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    if not skytools.coop_finish(i_batch_id) then
        raise exception 'batch % is not this member''s any more', i_batch_id
            using errcode = 'SK020', detail = skytools.coop_lost(i_batch_id),
                hint = 'what was done for it must be rolled back; ask for the next batch';
    end if;
end;
$$;

comment on function skytools.coop_finish_batch(bigint) is
'pgq_coop.finish_batch that fails, with SQLSTATE SK020, where another member took the batch over: what the transaction wrote for the batch is rolled back with it. Written in the same transaction, each event is done exactly once.';
