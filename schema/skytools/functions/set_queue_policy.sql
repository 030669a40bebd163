create or replace function skytools.set_queue_policy(i_queue_name text, i_param_name text, i_param_value text)
returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
begin
    if i_param_name is null or i_param_name not in ('max_attempts', 'dead_keep', 'backlog_warn_age', 'backlog_max_age',
        'backlog_warn_bytes', 'backlog_max_bytes', 'backlog_workers')
    then
        raise exception 'no such policy: %', coalesce(i_param_name, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'one of max_attempts, dead_keep, backlog_warn_age, backlog_max_age, backlog_warn_bytes, backlog_max_bytes, backlog_workers';
    end if;
    insert into skytools.queue_policy (queue_id) values (the_queue) on conflict do nothing;
    begin
        execute format('update skytools.queue_policy set %I = %L where queue_id = $1', i_param_name,
                case when i_param_name = 'backlog_workers' then coalesce(i_param_value, 'off') else i_param_value end)
            using the_queue;
    exception when data_exception or check_violation then
        raise exception 'policy % of queue % cannot be %', i_param_name, i_queue_name, i_param_value
            using errcode = 'invalid_parameter_value',
                hint = 'attempts and bytes are whole numbers above 0, ages intervals like ''2 hours'', backlog_workers on or off; null switches a policy off';
    end;
    return 1;
end;
$$;

comment on function skytools.set_queue_policy(text, text, text) is
'Changes one policy of a queue, NULL switching it off. max_attempts: deliveries of an event to a consumer before it becomes a dead letter; dead_keep: how long dead letters are kept; backlog_warn_age, backlog_warn_bytes: the backlog of a consumer that is warned of; backlog_max_age, backlog_max_bytes: the backlog at which it is detached, unless it is a cooperative one; backlog_workers: whether that goes for replication''s consumers, too. Returns 1.';
