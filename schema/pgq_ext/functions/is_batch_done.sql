create or replace function pgq_ext.is_batch_done(a_consumer text, a_subconsumer text, a_batch_id bigint) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return exists (select from pgq_ext.completed_batch
        where consumer_id = a_consumer and subconsumer_id = a_subconsumer and last_batch_id = a_batch_id);
end;
$$;

comment on function pgq_ext.is_batch_done(text, text, bigint) is
'Was this the last batch that the consumer''s member has written here?';

create or replace function pgq_ext.is_batch_done(a_consumer text, a_batch_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq_ext.is_batch_done(a_consumer, '', a_batch_id);
end;
$$;

comment on function pgq_ext.is_batch_done(text, bigint) is
'Was this the last batch that the consumer has written here?';
