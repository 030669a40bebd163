create or replace function pgq.register_consumer(x_queue_name text, x_consumer_id text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return pgq.register_consumer_at(x_queue_name, x_consumer_id, null);
end;
$$;

comment on function pgq.register_consumer(text, text) is
'Registers a consumer at the queue''s last tick. Returns 1, or 0 if it was registered before and stays where it is.';
