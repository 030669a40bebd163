create or replace function skytools.grant_functions(i_right text) returns setof regprocedure
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if i_right = 'write' then
        return query select unnest(array[
            'pgq.insert_event(text, text, text)',
            'pgq.insert_event(text, text, text, text, text, text, text)',
            'skytools.insert_events(text, text[], text[], text[], text[], text[], text[])',
            'skytools.insert_event_at(text, timestamptz, text, text, text, text, text, text)',
            'skytools.insert_event_once(text, text, interval, text, text, text, text, text, text)',
            'skytools.cancel_delayed(text, bigint[])'])::regprocedure;
    elsif i_right = 'read' then
        return query select unnest(array[
            'pgq.register_consumer(text, text)', 'pgq.register_consumer_at(text, text, bigint)',
            'pgq.unregister_consumer(text, text)',
            'pgq.next_batch(text, text)', 'pgq.next_batch_info(text, text)',
            'pgq.next_batch_custom(text, text, interval, int, interval)',
            'pgq.get_batch_info(bigint)', 'pgq.get_batch_events(bigint)', 'pgq.get_batch_cursor(bigint, text, int)',
            'pgq.event_retry(bigint, bigint, timestamptz)', 'pgq.event_retry(bigint, bigint, int)',
            'pgq.batch_retry(bigint, int)', 'pgq.finish_batch(bigint)',
            'skytools.event_retry(bigint, bigint[], interval)', 'skytools.event_dead(bigint, bigint[], text)',
            'skytools.dead_events(text, text, int)', 'skytools.dead_replay(text, text, bigint[])',
            'skytools.dead_purge(text, text, interval)',
            'skytools.next_part(text, text, int, bigint)', 'skytools.get_part_events(bigint, int)',
            'skytools.finish_part(bigint, int)',
            'pgq_coop.register_subconsumer(text, text, text)', 'pgq_coop.unregister_subconsumer(text, text, text, int)',
            'pgq_coop.next_batch_custom(text, text, text, interval, int, interval, interval)',
            'pgq_coop.finish_batch(bigint)',
            'skytools.coop_next_batch(text, text, text, interval, interval, int, interval)',
            'skytools.coop_finish_batch(bigint)', 'skytools.coop_filter(bigint)',
            'skytools.coop_continues(bigint, bigint)'])::regprocedure;
    else
        raise exception 'no such right: %', coalesce(i_right, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'read or write';
    end if;
end;
$$;

comment on function skytools.grant_functions(text) is
'Functions that belong to a right on a queue, read or write. Each has the queue, or a batch, as its first argument, and none takes SQL.';
