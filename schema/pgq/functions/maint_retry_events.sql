create or replace function pgq.maint_retry_events() returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return skytools.move_retries() + skytools.move_delayed();
end;
$$;

comment on function pgq.maint_retry_events() is
'Puts due retry events back into their queues, and delayed events that are due, up to 10,000 of each. Returns how many: call it until that is 0.';
