create or replace function pgq_ext.set_event_done(a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    -- The first event of another batch ends the one before.
    insert into pgq_ext.partial_batch as part (consumer_id, subconsumer_id, cur_batch_id)
        values (a_consumer, a_subconsumer, a_batch_id)
        on conflict (consumer_id, subconsumer_id) do update set cur_batch_id = excluded.cur_batch_id
            where part.cur_batch_id <> excluded.cur_batch_id;
    if found then
        delete from pgq_ext.completed_event
            where consumer_id = a_consumer and subconsumer_id = a_subconsumer and batch_id <> a_batch_id;
    end if;
    insert into pgq_ext.completed_event (consumer_id, subconsumer_id, batch_id, event_id)
        values (a_consumer, a_subconsumer, a_batch_id, a_event_id)
        on conflict do nothing;
    return found;
end;
$$;

comment on function pgq_ext.set_event_done(text, text, bigint, bigint) is
'Notes that the consumer''s member has written an event here, in the transaction that wrote; those of other batches are forgotten. Returns false if it was noted already.';

create or replace function pgq_ext.set_event_done(a_consumer text, a_batch_id bigint, a_event_id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq_ext.set_event_done(a_consumer, '', a_batch_id, a_event_id);
end;
$$;

comment on function pgq_ext.set_event_done(text, bigint, bigint) is
'Notes that the consumer has written an event here, in the transaction that wrote; those of other batches are forgotten. Returns false if it was noted already.';
