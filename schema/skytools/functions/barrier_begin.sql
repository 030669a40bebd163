create or replace function skytools.barrier_begin(i_queue_name text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    q record;
begin
    if pg_is_in_recovery() then
        raise exception 'no tick is made on a standby'
            using errcode = 'read_only_sql_transaction', hint = 'connect to the primary';
    end if;
    select queue_id into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        raise exception 'no such queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    perform skytools.tick_lock(q.queue_id);

    select queue_event_seq, queue_tick_seq, queue_ticker_paused, queue_external_ticker
        into q from pgq.queue where queue_id = q.queue_id;
    if q.queue_ticker_paused or q.queue_external_ticker then
        raise exception 'queue % is not ticked here: %', i_queue_name,
                case when q.queue_ticker_paused then 'its ticker is paused' else 'its ticks come from another node' end
            using errcode = 'object_not_in_prerequisite_state',
                hint = case when q.queue_ticker_paused
                    then format('select pgq.set_queue_config(%L, ''ticker_paused'', ''0'')', i_queue_name)
                    else 'exact ticks are made at the root of a set' end;
    end if;
    -- The extension's own ticker takes no lock of ours. One that waits here
    -- takes its snapshot afterwards.
    if not has_sequence_privilege(q.queue_tick_seq, 'USAGE') then
        lock table pgq.tick in share row exclusive mode;
    end if;
    return pgq.seq_getval(q.queue_event_seq);
end;
$$;

comment on function skytools.barrier_begin(text) is
'Keeps everybody from ticking the queue until the transaction ends, and returns the value of its event sequence. The snapshot that a barrier''s tick shall have is to be taken after it, by another session at REPEATABLE READ, and given to skytools.barrier_tick.';
