create or replace function skytools.capture_count(i_queue_id int, i_queue_name text, i_limit int, i_events bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
-- A transaction that writes by triggers and by insert_event has one limit.
declare
    setting text := 'skytools.tx_events_' || i_queue_id;
    events bigint := coalesce(nullif(current_setting(setting, true), ''), '0')::bigint + i_events;
begin
    if events > i_limit then
        raise exception 'Queue ''%'' allows max % events from one TX', i_queue_name, i_limit
            using errcode = 'configuration_limit_exceeded',
                  hint = 'Write in smaller transactions, or raise queue_per_tx_limit in pgq.queue.';
    end if;
    -- Local to the transaction: a savepoint rolled back takes its events off.
    perform set_config(setting, events::text, true);
end;
$$;
comment on function skytools.capture_count(int, text, int, bigint) is
    'Counts events of this transaction against queue_per_tx_limit.';
