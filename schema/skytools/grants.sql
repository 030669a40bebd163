-- What is generated for each queue follows its generators.
select skytools.queues();

revoke execute on all functions in schema skytools from public;
grant usage on schema skytools to public;
grant select on skytools.installation, skytools.barrier to public;
grant execute on function skytools.version(), skytools.witness(), skytools.beside_extension(),
    skytools.get_backlog_warnings(), skytools.get_detached_consumers() to public;

-- pgq.logutriga and its like run with the writer's rights, who needs no other
-- than for pgq.insert_event. What they call tells nothing that the catalogue does
-- not tell everybody.
do $$
declare
    fn regprocedure;
begin
    for fn in
        select p.oid from pg_proc p
        where p.pronamespace = 'skytools'::regnamespace
            and (p.proname like 'triga\_%' and p.proname <> 'triga_seal' or p.proname in ('urlencode', 'json_field', 'capture_settings', 'capture_columns', 'capture_unseen',
                'capture_last', 'capture_pinned', 'capture_unpin'))
    loop
        execute format('grant execute on function %s to public', fn);
    end loop;
    if to_regrole('pgq_reader') is not null then
        grant select on skytools.capture, skytools.claim, skytools.coop_key, skytools.coop_slot to pgq_reader;
        -- How fresh a subscriber is. The row and the statement that could not be
        -- applied are not for every reader.
        grant select (queue_name, consumer_name, last_tick_time, provider_system_identifier)
            on skytools.worker_state to pgq_reader;
        grant select (queue_name, table_name, error, given_up) on skytools.parked_table to pgq_reader;
        grant select (queue_name, table_name, tick_id) on skytools.resync_part to pgq_reader;
        -- What consumers call, and what functions with the caller's rights use.
        for fn in
            select p.oid from pg_proc p
            where p.pronamespace = 'skytools'::regnamespace
                and p.proname in ('ack', 'claim', 'unclaim', 'tick', 'batch_query', 'batch_query_of',
                    'event_retry', 'event_dead', 'dead_events', 'dead_replay', 'dead_purge', 'get_queue_policy',
                    'coop_next_batch', 'coop_finish_batch', 'coop_filter', 'coop_continues', 'coop_key_sql',
                    'batch_union', 'next_part', 'get_part_events', 'finish_part',
                    'barrier_begin', 'barrier_tick', 'barrier_keep', 'backlogs')
        loop
            execute format('grant execute on function %s to pgq_reader', fn);
        end loop;
    end if;
    if to_regrole('pgq_writer') is not null then
        for fn in
            select p.oid from pg_proc p
            where p.pronamespace = 'skytools'::regnamespace
                and p.proname in ('capture_count', 'insert_events', 'insert_event_at', 'insert_event_once', 'cancel_delayed')
        loop
            execute format('grant execute on function %s to pgq_writer', fn);
        end loop;
    end if;
    if to_regrole('pgq_admin') is not null then
        grant select on all tables in schema skytools to pgq_admin;
        grant execute on all functions in schema skytools to pgq_admin;
        revoke all on skytools.secret from pgq_admin;
        revoke all on function skytools.triga_seal(text) from pgq_admin;
    end if;
end
$$;

-- What a right on one queue is made of may have grown since it was given.
select count(*) from skytools.queue_grants() g, skytools.grant_queue(g.queue_name, g.role_name, g.queue_right);
