create or replace function pgq_ext.set_batch_done(a_consumer text, a_subconsumer text, a_batch_id bigint) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    -- Two sessions with one batch meet at the row: the later one waits, and
    -- finds it done.
    insert into pgq_ext.completed_batch as done (consumer_id, subconsumer_id, last_batch_id)
        values (a_consumer, a_subconsumer, a_batch_id)
        on conflict (consumer_id, subconsumer_id) do update set last_batch_id = excluded.last_batch_id
            where done.last_batch_id <> excluded.last_batch_id;
    return found;
end;
$$;

comment on function pgq_ext.set_batch_done(text, text, bigint) is
'Notes the batch as the last one that the consumer''s member has written here, in the transaction that wrote. Returns false if it was that already.';

create or replace function pgq_ext.set_batch_done(a_consumer text, a_batch_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq_ext.set_batch_done(a_consumer, '', a_batch_id);
end;
$$;

comment on function pgq_ext.set_batch_done(text, bigint) is
'Notes the batch as the last one that the consumer has written here, in the transaction that wrote. Returns false if it was that already.';
