create or replace function pgq_ext.is_event_done(a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return exists (select from pgq_ext.completed_event
        where consumer_id = a_consumer and subconsumer_id = a_subconsumer
            and batch_id = a_batch_id and event_id = a_event_id);
end;
$$;

comment on function pgq_ext.is_event_done(text, text, bigint, bigint) is
'Has the consumer''s member written this event of its current batch here?';

create or replace function pgq_ext.is_event_done(a_consumer text, a_batch_id bigint, a_event_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq_ext.is_event_done(a_consumer, '', a_batch_id, a_event_id);
end;
$$;

comment on function pgq_ext.is_event_done(text, bigint, bigint) is
'Has the consumer written this event of its current batch here?';
