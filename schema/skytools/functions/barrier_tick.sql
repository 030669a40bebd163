create or replace function skytools.barrier_tick(
    i_queue_name text,
    i_event_seq bigint,
    i_snapshot txid_snapshot,
    i_kind text,
    i_consumer_name text,
    i_keep interval)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    q pgq.queue;
    older pgq.tick;
    made bigint;
begin
    select * into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        raise exception 'no such queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    perform skytools.tick_lock(q.queue_id);
    if not skytools.snapshot_covers(txid_current_snapshot(), i_snapshot)
        or i_event_seq > pgq.seq_getval(q.queue_event_seq)
    then
        raise exception 'snapshot % lies in the future', i_snapshot
            using errcode = 'invalid_parameter_value',
                hint = 'take it at this server, after skytools.barrier_begin, whose result goes along';
    end if;
    if has_sequence_privilege(q.queue_tick_seq, 'USAGE') then
        made := skytools.tick_write(q.queue_id, i_event_seq => i_event_seq, i_snapshot => i_snapshot);
    else
        select * into older from pgq.tick where tick_queue = q.queue_id order by tick_id desc limit 1;
        if not skytools.snapshot_covers(i_snapshot, older.tick_snapshot) then
            raise exception 'snapshot % does not cover tick % of queue %', i_snapshot, older.tick_id, i_queue_name
                using errcode = 'object_not_in_prerequisite_state',
                    hint = 'take it after skytools.barrier_begin, in the same transaction';
        end if;
        -- The number can only be drawn by the extension, which gives the tick
        -- a snapshot of its own.
        made := skytools.tick_extension(q.queue_id, true);
        if made is null then
            raise exception 'the extension made no tick of queue %', i_queue_name
                using errcode = 'object_not_in_prerequisite_state', hint = 'look at pgq.get_queue_info()';
        end if;
        update pgq.tick set tick_snapshot = i_snapshot, tick_event_seq = i_event_seq
            where tick_queue = q.queue_id and tick_id = made;
    end if;
    insert into skytools.barrier (queue_name, tick_id, kind, consumer_name, until)
        values (i_queue_name, made, i_kind, i_consumer_name,
            clock_timestamp() + least(i_keep, interval '1 hour'));
    return made;
end;
$$;

comment on function skytools.barrier_tick(text, bigint, txid_snapshot, text, text, interval) is
'Makes a tick with the snapshot that another session has taken after skytools.barrier_begin in this transaction, and a barrier at it: readers do not merge past the tick until i_keep, at most an hour, is over. The worker of the consumer that is named exports a snapshot of its subscriber when it is there. Returns the tick.';
