create or replace function pgq.set_queue_config(x_queue_name text, x_param_name text, x_param_value text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    if x_queue_name is null or x_param_name is null or x_param_value is null then
        raise exception 'Invalid NULL value'
            using errcode = 'null_value_not_allowed', hint = 'give queue, parameter and value';
    end if;
    perform 1 from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'No such event queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    -- The letter s after the name is part of the old text.
    if x_param_name not in ('ticker_max_count', 'ticker_max_lag', 'ticker_idle_period',
        'ticker_paused', 'rotation_period', 'external_ticker')
    then
        raise exception 'cannot change parameter "%s"', x_param_name
            using errcode = 'invalid_parameter_value',
                hint = 'one of ticker_max_count, ticker_max_lag, ticker_idle_period, ticker_paused, rotation_period, external_ticker';
    end if;
    execute format('update pgq.queue set %I = %L where queue_name = $1', 'queue_' || x_param_name, x_param_value)
        using x_queue_name;
    return 1;
end;
$$;

comment on function pgq.set_queue_config(text, text, text) is
'Changes one setting of a queue. Returns 1.';
