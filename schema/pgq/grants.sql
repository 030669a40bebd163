revoke execute on all functions in schema pgq from public;
grant usage on schema pgq to public;
grant select on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription to public;
grant select on all sequences in schema pgq to public;
grant execute on function
    pgq.get_queue_info(), pgq.get_queue_info(text),
    pgq.get_consumer_info(), pgq.get_consumer_info(text), pgq.get_consumer_info(text, text),
    pgq.seq_getval(text), pgq.quote_fqname(text), pgq.version()
    to public;

-- A role that is missing is passed over; its rights follow at the install
-- after it was made.
do $$
begin
    if to_regrole('pgq_reader') is null then
        return;
    end if;
    grant select on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription, pgq.event_template to pgq_reader;
    grant execute on function
        pgq.register_consumer(text, text), pgq.register_consumer_at(text, text, bigint),
        pgq.unregister_consumer(text, text),
        pgq.next_batch(text, text), pgq.next_batch_info(text, text),
        pgq.next_batch_custom(text, text, interval, int, interval),
        pgq.find_tick_helper(int, bigint, timestamptz, bigint, bigint, interval),
        pgq.get_batch_events(bigint), pgq.get_batch_info(bigint),
        pgq.get_batch_cursor(bigint, text, int), pgq.get_batch_cursor(bigint, text, int, text),
        pgq.event_retry(bigint, bigint, timestamptz), pgq.event_retry(bigint, bigint, int),
        pgq.batch_retry(bigint, int), pgq.finish_batch(bigint), pgq.force_tick(text),
        pgq.batch_event_sql(bigint), pgq.batch_event_tables(bigint)
        to pgq_reader;
end
$$;

do $$
begin
    if to_regrole('pgq_writer') is null then
        return;
    end if;
    grant execute on function
        pgq.insert_event(text, text, text),
        pgq.insert_event(text, text, text, text, text, text, text),
        pgq.current_event_table(text),
        pgq.logutriga(), pgq.sqltriga(), pgq.jsontriga()
        to pgq_writer;
end
$$;

do $$
begin
    if to_regrole('pgq_admin') is null then
        return;
    end if;
    grant select, insert, update, delete
        on pgq.consumer, pgq.queue, pgq.tick, pgq.subscription, pgq.retry_queue to pgq_admin;
    grant select, insert, truncate on pgq.event_template to pgq_admin;
    -- What readers and writers may do, it may as a member of both.
    grant execute on function
        pgq.create_queue(text), pgq.drop_queue(text), pgq.drop_queue(text, boolean),
        pgq.set_queue_config(text, text, text),
        pgq.ticker(), pgq.ticker(text), pgq.ticker(text, bigint, timestamptz, bigint),
        pgq.maint_operations(), pgq.maint_rotate_tables_step1(text), pgq.maint_rotate_tables_step2(),
        pgq.maint_retry_events(), pgq.maint_tables_to_vacuum(),
        pgq.insert_event_raw(text, bigint, timestamptz, int, int, text, text, text, text, text, text),
        pgq.event_retry_raw(text, text, timestamptz, bigint, timestamptz, int, text, text, text, text, text, text),
        pgq.tune_storage(text), pgq.grant_perms(text), pgq._grant_perms_from(text, text, text, text),
        pgq.upgrade_schema(), pgq.seq_setval(text, bigint)
        to pgq_admin;
end
$$;

-- Queues that were made while a role was missing.
do $$
declare
    q text;
begin
    for q in select queue_name from pgq.queue order by queue_name loop
        perform pgq.grant_perms(q);
    end loop;
end
$$;
