create or replace function skytools.count_tx_event(i_queue_id int, i_queue_name text, i_limit int, i_events int default 1)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    setting text := 'skytools.tx_events_' || i_queue_id;
    events int := coalesce(nullif(current_setting(setting, true), ''), '0')::int + i_events;
begin
    if events > i_limit then
        raise exception 'Queue ''%'' allows max % events from one TX', i_queue_name, i_limit
            using errcode = 'configuration_limit_exceeded',
                hint = 'write in smaller transactions, or raise queue_per_tx_limit in pgq.queue';
    end if;
    -- Local to the transaction: a savepoint rolled back takes its events off.
    perform set_config(setting, events::text, true);
end;
$$;

comment on function skytools.count_tx_event(int, text, int, int) is
'Counts some more events of this transaction, one if not said, and refuses them beyond queue_per_tx_limit.';
