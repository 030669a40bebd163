create or replace function pgq.next_batch(i_queue_name text, i_consumer_name text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return (select b.batch_id from pgq.next_batch_custom(i_queue_name, i_consumer_name, null, null, null) b);
end;
$$;

comment on function pgq.next_batch(text, text) is
'Opens the consumer''s next batch, or returns the one that is open. NULL: none yet.';
